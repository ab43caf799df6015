/** Counts finished checks. Label sets are looked up once per kind of outcome: this runs for every request. */
import type { CheckDependencies } from '../../authz/pipeline.js';
import type { Metrics } from '../../telemetry/metrics.js';

export function observeChecks({
  requests,
  checkDuration,
  sha1Signatures,
  limiterDegraded,
  shadowExceeded,
}: Metrics): NonNullable<CheckDependencies['metrics']> {
  const counters = new Map<string, { inc(): void }>();
  const phases = new Map<string, { observe(seconds: number): void }>();
  return {
    observe({ decision, reason, dialect, phaseDurations, usesSha1, limit }) {
      const key = `${decision} ${reason} ${dialect}`;
      let counter = counters.get(key);
      if (!counter) {
        counter = requests.labels({ decision, reason: reason || 'ok', dialect: dialect || 'none' });
        counters.set(key, counter);
      }
      counter.inc();
      if (usesSha1 && decision === 'allow') sha1Signatures.inc({ dialect: dialect || 'none' });
      if (limit?.degraded) limiterDegraded.inc({ outcome: decision === 'allow' ? 'admitted' : reason });
      if (limit?.shadow) shadowExceeded.inc(limit.shadow);
      let totalMs = 0;
      for (const [phase, ms] of Object.entries(phaseDurations)) {
        totalMs += ms;
        phaseOf(phase).observe(ms / 1000);
      }
      phaseOf('total').observe(totalMs / 1000);
    },
  };

  function phaseOf(phase: string): { observe(seconds: number): void } {
    let histogram = phases.get(phase);
    if (!histogram) phases.set(phase, (histogram = checkDuration.labels({ phase })));
    return histogram;
  }
}
