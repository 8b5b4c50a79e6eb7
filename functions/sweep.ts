import * as z from 'zod';
import { parseSweepRequest } from '../events/request.ts';
import { exemptions, profiles, sweepSettings } from '../lib/compiled.ts';
import { namedBy } from '../lib/instance.ts';
import { TaskContext } from '../lib/state.ts';
import { answer } from '../lib/task.ts';
import { startEnrolment, startRetirement } from '../services/announced-start.ts';
import { listGroups, warmPoolStates } from '../services/auto-scaling.ts';
import { countingCalls, refusalOf } from '../services/aws.ts';
import { listFleet } from '../services/fleet.ts';
import { findInstance } from '../services/instances.ts';
import { listItems, setMissingSince } from '../services/ledger.ts';
import { imdsV1Calls } from '../services/metadata-use.ts';
import { notify } from '../services/notifications.ts';
import { storeReport } from '../services/reports.ts';
import { isRunning } from '../services/state-machines.ts';
import { failureOf } from '../sweep/alerts.ts';
import type { SweepReport } from '../sweep/report.ts';
import { formsOf } from '../sweep/report-forms.ts';
import { runSweep } from '../sweep/run.ts';
import type { SweepServices } from '../sweep/services.ts';

/** The state machine's input. A person who invokes the function sends the request alone. */
const AsTask = z.object({ task: TaskContext, request: z.unknown() });

/** Sweeps the fleet, stores the report, and sends an event for each alert. The state machine ends red by `failure`. */
export const handler = answer(async (event, { signal }) => {
  const { data } = AsTask.safeParse(event);
  const request = parseSweepRequest(data ? data.request : event);
  const at = data?.task.enteredTime ?? new Date().toISOString();
  const policy = { profiles: profiles(), exemptions: exemptions(), settings: sweepSettings() };
  const sweep = { at, ...policy, services: servicesWith(signal), alerts: [] };
  const options = { ...request, isRepeated: (data?.task.retryCount ?? 0) > 0 };
  const report = await countingCalls(async (calls) => ({ ...(await runSweep(sweep, options)), apiCalls: calls() }));
  const isLatest = request.profile === undefined;
  await store(report, isLatest, signal);
  // Only once the report is stored: a sweep that is retried because of that would send every alert twice.
  const failures = request.dryRun ? [] : await announce(report.alerts, data?.task.execution ?? null, signal);
  if (failures.length === 0) return answerOf(report);
  const withFailures = { ...report, alerts: [...report.alerts, ...failures] };
  await store(withFailures, isLatest, signal);
  return answerOf(withFailures);
});

function servicesWith(signal: AbortSignal): SweepServices {
  return {
    listItems: () => listItems(signal),
    listFleet: (profile, region) => listFleet(profile, region, signal),
    listGroups: (names, region) => listGroups(names, region, signal),
    warmPoolStates: (group, region) => warmPoolStates(group, region, signal),
    imdsV1Calls: (instances, period) => imdsV1Calls(instances, period, signal),
    startEnrolment: (start) => startEnrolment(start, signal),
    startRetirement: (start) => startRetirement(start, signal),
    isRunning: (execution) => isRunning(execution, signal),
    find: (record) => findInstance(namedBy(record), signal),
    setMissingSince: (record, at) => setMissingSince(record, at, signal),
    refusalOf,
  };
}

async function store(report: SweepReport, isLatest: boolean, signal: AbortSignal): Promise<void> {
  await storeReport(report.startedAt, await formsOf(report), { isLatest }, signal);
}

/** Sends one event for each alert. @returns a sentence for each event that EventBridge did not accept */
async function announce(alerts: readonly string[], execution: string | null, signal: AbortSignal): Promise<string[]> {
  const failures: string[] = [];
  for (const cause of alerts) {
    try {
      await notify({ detailType: 'Fleet Sweep Alert', detail: { execution, cause } }, signal);
    } catch (error) {
      failures.push(refusalOf(error));
    }
  }
  return failures;
}

/** An execution's data has room for so many rows. The report has all of them. */
const MOST_ROWS = 100;

function answerOf(report: SweepReport) {
  const rows = report.rows.slice(0, MOST_ROWS);
  return { ...report, rows, rowsInAll: report.rows.length, failure: failureOf(report) };
}
