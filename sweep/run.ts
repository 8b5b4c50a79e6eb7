import type { SweepRequest } from '../events/request.ts';
import { InvalidRequest } from '../lib/errors.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { DeployedProfile } from '../lib/profile.ts';
import { decide } from './decide.ts';
import { countImdsV1, markEnded, readLedger, type Sweep, surveyProfile } from './fleet.ts';
import { goneOf } from './gone.ts';
import { readGroups } from './groups.ts';
import type { SweepReport } from './report.ts';
import { retireGone } from './retire.ts';
import type { SweepLimits } from './services.ts';
import { startDue } from './start.ts';
import { reportOf } from './summary.ts';
import type { Survey } from './survey.ts';

type Options = Pick<SweepRequest, 'profile' | 'dryRun'> & Pick<SweepLimits, 'isRepeated'>;

/**
 * Compares the fleet with the profiles, and starts enrol-node and retire-node for what differs.
 *
 *   ledger ── groups ── every page of every profile ── IMDSv1 calls of those that drift ── starts: what waits in a hook,
 *                                                                                          then the oldest ── retirements
 * @throws InvalidRequest if there is no profile of the requested name
 */
export async function runSweep(sweep: Sweep, options: Options): Promise<Omit<SweepReport, 'apiCalls'>> {
  const began = performance.now();
  const { at, services, alerts } = sweep;
  const requested = profilesNamed(options.profile, sweep);
  const records = await readLedger(sweep);
  await markEnded(records, sweep);
  const limits = limitsOf(sweep, records, options);
  const seen = new Set<string>();
  // Before the instances: a state may be old by a page, and an execution asks for it again.
  const groups = records ? await readGroups(requested, sweep) : NO_GROUPS;
  const surveys: Survey[] = [];
  for (const profile of requested) surveys.push(await surveyProfile(profile, { records, groups, seen }, sweep));
  const decisions = await decideAll(surveys, sweep);
  const started = await startDue(decisions.due, services, limits);
  const gone = goneOf(records?.values() ?? [], coverageOf(surveys, sweep), { seen, at });
  const retired = await retireGone(gone, services, limits);
  alerts.push(...started.alerts, ...retired.alerts);
  const rows = [...decisions.rows, ...started.rows, ...retired.rows];
  const endedAt = new Date(Date.parse(at) + performance.now() - began).toISOString();
  return reportOf({ surveys, rows, alerts, at, endedAt, isDryRun: options.dryRun });
}

const NO_GROUPS = { lifecycleStates: new Map<string, string>(), unread: new Set<string>() };

function profilesNamed(name: string | undefined, { profiles }: Sweep): readonly DeployedProfile[] {
  const found = profiles.filter((profile) => name === undefined || profile.name === name);
  if (found.length > 0) return found;
  const known = profiles.map((profile) => profile.name);
  throw new InvalidRequest(`profile: there is no profile "${name}". The profiles are ${known.join(', ')}.`);
}

function limitsOf(
  { at, settings }: Sweep,
  records: ReadonlyMap<string, LedgerItem> | undefined,
  { dryRun, isRepeated }: Options,
): SweepLimits {
  // A retried sweep counts what its first attempt has started.
  const before = records && isRepeated ? enrolmentsSince(at, records) : 0;
  const maxStarts = Math.max(0, settings.maxStarts - before);
  return { ...settings, maxStarts, at, isDryRun: dryRun, isRepeated };
}

function enrolmentsSince(at: string, records: ReadonlyMap<string, LedgerItem>): number {
  const isOne = ({ status, claimedAt }: LedgerItem) => claimedAt >= at && !NO_ENROLMENT.includes(status);
  return records.values().filter(isOne).toArray().length;
}

const NO_ENROLMENT: readonly LedgerItem['status'][] = ['re-imaging', 'retiring', 'retired'];

async function decideAll(surveys: readonly Survey[], sweep: Sweep) {
  const decisions = [];
  for (const survey of surveys) {
    const imdsV1Calls = await countImdsV1(survey, sweep);
    decisions.push(decide(survey, { at: sweep.at, imdsV1Calls }));
  }
  return { due: decisions.flatMap(({ due }) => due), rows: decisions.flatMap(({ rows }) => rows) };
}

/** The profiles of which every page was listed, and all profiles. */
function coverageOf(surveys: readonly Survey[], { profiles }: Sweep) {
  const whole = surveys.filter(({ stoppedBecause }) => stoppedBecause === null);
  return { swept: whole.map(({ profile }) => profile.name), known: profiles.map(({ name }) => name) };
}
