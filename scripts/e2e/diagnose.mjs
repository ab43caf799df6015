// What somebody would look at first when a step has failed.
import { NAMESPACE, OWN_SELECTOR, selectorOf } from './installation.mjs';

const MAX_LINES = 20;
const MAX_COLUMNS = 300;

export async function diagnose(cluster, log = console.log) {
  async function show(title, command) {
    const text = await cluster.kubectl(command).catch((error) => error.message);
    const lines = text.trim().split('\n').slice(-MAX_LINES);
    log([`    --- ${title}`, ...lines.map((line) => `    ${line.slice(0, MAX_COLUMNS)}`)].join('\n'));
  }
  await show('pods', 'get pods -A -o wide');
  await show('events', `get events -n ${NAMESPACE} --sort-by=.lastTimestamp`);
  await show('objects', 'get countersign -A');
  const containers = [
    ['controller', 'controller'],
    ['bootstrap', 'gateway'],
    ['authorizer', 'gateway'],
    ['authorizer', 'authorizer'],
  ];
  for (const [container, component] of containers)
    await show(
      `logs of ${container} (${component})`,
      `logs -n ${NAMESPACE} -l ${selectorOf(component)} -c ${container} --tail=10 --prefix`,
    );
  await show('logs of what the run made itself', `logs -n ${NAMESPACE} -l ${OWN_SELECTOR} --tail=10 --prefix`);
}
