import * as z from 'zod';
import { parseSweepRequest, type SweepRequest } from '../events/request.ts';
import { environment, exemptions, profiles, sweepSettings } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import type { Profile } from '../lib/profiles.ts';
import { namedBy, TaskContext } from '../lib/state.ts';
import { answer, type Call } from '../lib/task.ts';
import { countingCalls, refusalOf } from '../services/aws.ts';
import { listFleet } from '../services/fleet.ts';
import { findInstance } from '../services/instances.ts';
import { type LedgerItem, listItems, setMissingSince } from '../services/ledger.ts';
import { storeReport } from '../services/reports.ts';
import { startExecution } from '../services/state-machines.ts';
import type { Hands } from '../sweep/hands.ts';
import type { SweepReport } from '../sweep/report.ts';
import { formsOf } from '../sweep/report-forms.ts';
import { startDue } from '../sweep/start.ts';
import { reportOf } from '../sweep/summary.ts';
import { Survey } from '../sweep/survey.ts';

/** What the state machine gives; a person who invokes the function gives the request alone. */
const AsTask = z.object({ task: TaskContext, request: z.unknown() });

/** Compares what is with what the profiles say, starts enrol-node and retire-node for what differs, and reports. */
export const handler = answer(async (event, call) => {
  const { data } = AsTask.safeParse(event);
  const request = parseSweepRequest(data ? data.request : event);
  const at = data?.task.enteredTime ?? new Date().toISOString();
  const report = await countingCalls((calls) => sweep(request, at, call, calls));
  const isOfEverything = request.profile === undefined;
  await storeReport(report.startedAt, await formsOf(report), { isLatest: isOfEverything }, call.signal);
  return answerOf(report);
});

async function sweep({ dryRun, profile }: SweepRequest, at: string, call: Call, calls: () => number) {
  const began = performance.now();
  const asked = profilesNamed(profile);
  const pace = { ...sweepSettings(), at, isDryRun: dryRun };
  const records = await readLedger(call);
  const surveys: Survey[] = [];
  for (const each of asked) surveys.push(await survey(each, records, at, call));
  const due = surveys
    .flatMap(({ candidates }) => candidates)
    .map((one) => ({ ...one, leaveOut: [], reason: one.look.reason }));
  const started = await startDue(due, handsOf(call), pace);
  return reportOf({
    surveys,
    ...started,
    at,
    endedAt: new Date(Date.parse(at) + performance.now() - began).toISOString(),
    isDryRun: dryRun,
    apiCalls: calls(),
  });
}

/** @throws InvalidRequest where there is no profile of the name */
function profilesNamed(name: string | undefined): readonly Profile[] {
  const found = profiles().filter((profile) => name === undefined || profile.name === name);
  if (found.length > 0) return found;
  const known = profiles().map((profile) => profile.name);
  throw new InvalidRequest(`profile: there is no profile "${name}". The profiles are ${known.join(', ')}.`);
}

async function readLedger(call: Call): Promise<Map<string, LedgerItem>> {
  const records = new Map<string, LedgerItem>();
  for await (const page of listItems(call.signal)) for (const item of page) records.set(item.instance, item);
  return records;
}

async function survey(profile: Profile, records: ReadonlyMap<string, LedgerItem>, at: string, call: Call) {
  const survey = new Survey({ profile, exemptions: exemptions(), at }, [environment().AWS_REGION], profiles(), records);
  try {
    for await (const page of listFleet(profile, call.signal)) for (const found of page) survey.take(found);
  } catch (error) {
    survey.stoppedBecause = refusalOf(error) ?? null;
    if (survey.stoppedBecause === null) throw error;
  }
  return survey;
}

function handsOf({ signal }: Call): Hands {
  return {
    startEnrolment: (name, request) =>
      startExecution(environment().ENROL_NODE_STATE_MACHINE_ARN, name, request, signal),
    startRetirement: (name, request) =>
      startExecution(environment().RETIRE_NODE_STATE_MACHINE_ARN, name, request, signal),
    find: ({ instance }) => findInstance(namedBy(instance), signal),
    setMissingSince: (record, at) => setMissingSince(record, at, signal),
    refusalOf,
  };
}

/** As many rows as an execution's data has room for; all of them are in the report. */
const MOST_ROWS = 100;

function answerOf(report: SweepReport) {
  return { ...report, rows: report.rows.slice(0, MOST_ROWS), rowsInAll: report.rows.length };
}
