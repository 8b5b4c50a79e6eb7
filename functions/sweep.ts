import * as z from 'zod';
import { parseSweepRequest, type SweepRequest } from '../events/request.ts';
import { environment, exemptions, home, profiles, sweepSettings } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { ledgerKey, namedBy } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import { TaskContext } from '../lib/state.ts';
import { answer, type Call } from '../lib/task.ts';
import { isSameInstance } from '../profiles/drift.ts';
import { lifecycleStates } from '../services/auto-scaling.ts';
import { countingCalls, refusalOf } from '../services/aws.ts';
import { listFleet } from '../services/fleet.ts';
import { findInstance } from '../services/instances.ts';
import { listItems, setMissingSince } from '../services/ledger.ts';
import { imdsV1Calls } from '../services/metadata-use.ts';
import { notify } from '../services/notifications.ts';
import { storeReport } from '../services/reports.ts';
import { startExecution } from '../services/state-machines.ts';
import { areToBeCounted, decide, type Findings } from '../sweep/decide.ts';
import { goneOf } from '../sweep/gone.ts';
import type { Hands } from '../sweep/hands.ts';
import type { SweepReport } from '../sweep/report.ts';
import { formsOf } from '../sweep/report-forms.ts';
import { retireGone } from '../sweep/retire.ts';
import { startDue } from '../sweep/start.ts';
import { reportOf } from '../sweep/summary.ts';
import { Survey } from '../sweep/survey.ts';

/** What the state machine gives; a person who invokes the function gives the request alone. */
const AsTask = z.object({ task: TaskContext, request: z.unknown() });

/** One sweep, as it goes on. */
interface Sweep {
  readonly request: SweepRequest;
  /** The instant by which everything is judged. */
  readonly at: string;
  readonly execution: string | null;
  /** The state machine runs it again. */
  readonly isRepeated: boolean;
  readonly call: Call;
  /** What a person must look at: a sentence each. */
  readonly alerts: string[];
}

/** Compares what is with what the profiles say, and starts enrol-node and retire-node for what differs. */
export const handler = answer(async (event, call) => {
  const { data } = AsTask.safeParse(event);
  const request = parseSweepRequest(data ? data.request : event);
  const at = data?.task.enteredTime ?? new Date().toISOString();
  const { execution = null, retryCount = 0 } = data?.task ?? {};
  const of: Sweep = { request, at, execution, isRepeated: retryCount > 0, call, alerts: [] };
  const report = await countingCalls((calls) => sweep(of, calls));
  await store(report, of);
  // Not before it is stored: a sweep that is run again for that would tell everybody twice.
  const untold = await announce(report.alerts, of);
  if (untold.length === 0) return answerOf(report);
  const withUntold = { ...report, alerts: [...report.alerts, ...untold] };
  await store(withUntold, of);
  return answerOf(withUntold);
});

/**
 *   ledger ── every page of every profile ── what only the services know of those that drift ── starts, oldest first
 *                                                                                            ── what is gone
 */
async function sweep(of: Sweep, calls: () => number): Promise<SweepReport> {
  const began = performance.now();
  const { at, call, request, isRepeated, alerts } = of;
  const asked = profilesNamed(request.profile);
  const seen = new Set<string>();
  const records = await readLedger(of);
  const { maxStarts, ...settings } = sweepSettings();
  const startsLeft = Math.max(0, maxStarts - enrolmentsSince(records, of));
  const pace = { ...settings, maxStarts: startsLeft, at, home: home(), isDryRun: request.dryRun, isRepeated };
  const surveys: Survey[] = [];
  for (const profile of asked) surveys.push(await survey(profile, records, seen, of));
  const decisions = await decideAll(surveys, of);
  const started = await startDue(decisions.due, handsOf(call), pace);
  const gone = goneOf(records?.values() ?? [], whatIsListed(surveys), { seen, at });
  const retired = await retireGone(gone, handsOf(call), pace);
  const rows = [...decisions.rows, ...started.rows, ...retired.rows];
  alerts.push(...started.alerts, ...retired.alerts);
  const endedAt = new Date(Date.parse(at) + performance.now() - began).toISOString();
  return reportOf({ surveys, rows, alerts, at, endedAt, isDryRun: request.dryRun, apiCalls: calls() });
}

/** @throws InvalidRequest where there is no profile of the name */
function profilesNamed(name: string | undefined): readonly Profile[] {
  const found = profiles().filter((profile) => name === undefined || profile.name === name);
  if (found.length > 0) return found;
  const known = profiles().map((profile) => profile.name);
  throw new InvalidRequest(`profile: there is no profile "${name}". The profiles are ${known.join(', ')}.`);
}

/** Of which profiles every page was seen, and which there are. */
function whatIsListed(surveys: readonly Survey[]) {
  const whole = surveys.filter(({ stoppedBecause }) => stoppedBecause === null);
  return { swept: whole.map(({ profile }) => profile.name), known: profiles().map(({ name }) => name) };
}

/** Without the ledger nobody knows who is enrolled: then nothing is listed, started or removed. */
async function readLedger({ call, alerts }: Sweep): Promise<Map<string, LedgerItem> | undefined> {
  const records = new Map<string, LedgerItem>();
  try {
    for await (const page of listItems(call.signal)) for (const item of page) records.set(item.instance, item);
    return records;
  } catch (error) {
    const reason = error instanceof InvalidRequest ? error.message : refusalOf(error);
    alerts.push(`${reason} Without the ledger nothing is started or retired; the next sweep looks again.`);
    return undefined;
  }
}

/** How many enrolments have begun since this very sweep, which is run again, began: they may be its own. */
function enrolmentsSince(records: ReadonlyMap<string, LedgerItem> | undefined, { at, isRepeated }: Sweep): number {
  if (!records || !isRepeated) return 0;
  const isOne = ({ status, claimedAt }: LedgerItem) => status !== 'retiring' && status !== 'retired' && claimedAt >= at;
  return records.values().filter(isOne).toArray().length;
}

async function survey(
  profile: Profile,
  records: ReadonlyMap<string, LedgerItem> | undefined,
  seen: Set<string>,
  { at, call, alerts }: Sweep,
): Promise<Survey> {
  const policy = { profile, exemptions: exemptions(), at };
  const survey = new Survey(policy, profiles(), home(), records ?? new Map());
  if (!records) {
    survey.stoppedBecause = 'The ledger could not be read.';
    return survey;
  }
  try {
    for (const region of survey.regions)
      for await (const page of listFleet(profile, region, call.signal))
        for (const found of page) {
          const key = ledgerKey(found.instance);
          const record = records.get(key);
          // Whoever has only the name of another one does not stand for it.
          const isItself = record === undefined || isSameInstance(record, found.instance);
          if (found.state !== 'terminated' && isItself) seen.add(key);
          survey.take(found);
        }
  } catch (error) {
    survey.stoppedBecause = refusalOf(error);
    alerts.push(
      `The sweep of ${profile.name} stopped: ${survey.stoppedBecause} None of its nodes is retired this time.`,
    );
  }
  return survey;
}

/** What only the services know of those that drift, and what follows from it. */
async function decideAll(surveys: readonly Survey[], of: Sweep) {
  const states = await statesInGroups(surveys, of);
  const decisions = [];
  for (const survey of surveys) {
    const findings = { at: of.at, ...states, imdsV1Calls: await countImdsV1(survey, states, of) };
    decisions.push(decide(survey, findings));
  }
  return { due: decisions.flatMap(({ due }) => due), rows: decisions.flatMap(({ rows }) => rows) };
}

async function statesInGroups(surveys: readonly Survey[], { call, alerts }: Sweep) {
  const members = surveys.flatMap(({ candidates }) => candidates).filter((one) => one.instance.autoScalingGroupName);
  const states = new Map<string, string>();
  const withoutState = new Set<string>();
  for (const [region, those] of Map.groupBy(members, ({ instance }) => instance.region)) {
    const ids = those.map(({ instance }) => instance.instanceId);
    try {
      for (const [id, state] of await lifecycleStates(ids, region, call.signal)) states.set(id, state);
    } catch (error) {
      alerts.push(`${refusalOf(error)} Members of groups are left alone: one of them may be on its way out.`);
      for (const id of ids) withoutState.add(id);
    }
  }
  return { lifecycleStates: states, withoutState };
}

async function countImdsV1(
  survey: Survey,
  states: Pick<Findings, 'lifecycleStates' | 'withoutState'>,
  { at, call, alerts }: Sweep,
) {
  const { profile } = survey;
  const instances = areToBeCounted(survey, { at, ...states }).map(({ instance }) => instance);
  if (!profile.metadata || instances.length === 0) return new Map<string, number | null>();
  try {
    return await imdsV1Calls(instances, { at, lookBackDays: profile.metadata.lookBackDays }, call.signal);
  } catch (error) {
    alerts.push(`${refusalOf(error)} Nothing of the profile ${profile.name} is hardened this time.`);
    return new Map<string, number | null>();
  }
}

function handsOf({ signal }: Call): Hands {
  const { ENROL_NODE_STATE_MACHINE_ARN: enrolNode, RETIRE_NODE_STATE_MACHINE_ARN: retireNode } = environment();
  return {
    startEnrolment: (name, request) => startExecution(enrolNode, name, request, signal),
    startRetirement: (name, request) => startExecution(retireNode, name, request, signal),
    find: (record) => findInstance(namedBy(record, home()), signal),
    setMissingSince: (record, at) => setMissingSince(record, at, signal),
    refusalOf,
  };
}

/** One event for each alert. @returns a sentence for each that the bus did not take: one more thing to look at */
async function announce(alerts: readonly string[], { request, execution, call }: Sweep): Promise<string[]> {
  const untold: string[] = [];
  for (const cause of request.dryRun ? [] : alerts) {
    try {
      await notify({ detailType: 'Fleet Sweep Alert', detail: { execution, cause } }, call.signal);
    } catch (error) {
      untold.push(refusalOf(error));
    }
  }
  return untold;
}

async function store(report: SweepReport, { request, call }: Sweep): Promise<void> {
  const isLatest = request.profile === undefined;
  await storeReport(report.startedAt, await formsOf(report), { isLatest }, call.signal);
}

/** As many rows as an execution's data has room for; all of them are in the report. */
const MOST_ROWS = 100;

function answerOf(report: SweepReport) {
  return { ...report, rows: report.rows.slice(0, MOST_ROWS), rowsInAll: report.rows.length };
}
