/** docs/reference/configuration.md, from the table of settings. */
import { defaultText, flagUsage, keyOf, SETTINGS, variableOf, type Setting } from './settings.js';

const escape = (text: string): string => text.replaceAll('|', '\\|');

export function renderConfigurationPage(): string {
  const rows = Object.values(SETTINGS).map((setting: Setting) => {
    const shown = defaultText(setting);
    const cells = [
      `\`${escape(flagUsage(setting))}\``,
      `\`${variableOf(setting)}\``,
      `\`${keyOf(setting)}\``,
      shown === undefined ? '' : setting.defaultText === undefined ? `\`${shown}\`` : shown,
      setting.about,
      setting.commands.join(', '),
    ];
    return `| ${cells.map((c, i) => (i === 0 ? c : escape(c))).join(' | ')} |`;
  });
  return `# Configuration of the process

What belongs to an API, a key or a plan is a resource (see resources.md). Ports, addresses, files and
timeouts of the process are settings. A flag wins over its environment variable, that over the configuration
file (\`--config FILE\` or \`COUNTERSIGN_CONFIG\`, YAML), that over the default. A list is a repeated flag, a
variable separated by commas, or a list in the file. Relative paths in the file start at its folder.

| flag | environment variable | file key | default | meaning | commands |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Two variables are read besides: \`XDG_CACHE_HOME\` (Envoy is installed below it, default \`~/.cache\`) and, by the
demo and the tests only, \`REDIS_SERVER\` (path of a Redis or Valkey server).

<!-- Made from src/config/settings.ts; a test compares. -->
`;
}
