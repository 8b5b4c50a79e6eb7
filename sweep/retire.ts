import { executionName, naming, SWEEP, type TriggeredRetirement } from '../events/request.ts';
import { namedBy } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { isSameInstance } from '../profiles/drift.ts';
import { countOf, type Gone, whyTooMany } from './gone.ts';
import { type Hands, type Pace, STARTED_BEFORE } from './hands.ts';
import type { ReportRow } from './report.ts';

/** What a sweep does with what is gone. */
export async function retireGone(gone: readonly Gone[], hands: Hands, pace: Pace) {
  const { home } = pace;
  const rows: ReportRow[] = [];
  const alerts: string[] = [];
  for (const record of gone.flatMap(({ seenAgain }) => seenAgain)) await note(record, null);
  const { own = [], orphaned = [] } = Object.groupBy(gone, ({ isOrphaned }) => (isOrphaned ? 'orphaned' : 'own'));
  await retireAll(own, whyTooMany(own, pace.maxRetirements));
  // Of a profile that is no more all may be missing for ever: that must not keep the others from being retired.
  await retireAll(orphaned, whyTooMany(orphaned, pace.maxRetirements, countOf(own)));
  return { rows, alerts };

  async function retireAll(some: readonly Gone[], tooMany: string | undefined): Promise<void> {
    if (tooMany !== undefined) alerts.push(tooMany);
    for (const record of some.flatMap(({ missing }) => missing)) {
      const reason = tooMany === undefined ? NOT_LISTED : `${NO_MORE} ${TOO_MANY}`;
      rows.push(rowOfRecord(record, home, { reason, action: tooMany === undefined ? 'later' : 'nothing' }));
      if (tooMany === undefined) await note(record, pace.at);
    }
    for (const record of some.flatMap(({ stillMissing }) => stillMissing))
      rows.push(
        tooMany === undefined
          ? await retire(record)
          : rowOfRecord(record, home, { reason: `${NO_MORE} ${TOO_MANY}`, action: 'nothing' }),
      );
  }

  /** Who has taken the instance in the meantime knows better than this sweep. */
  async function note(record: LedgerItem, missingSince: string | null): Promise<void> {
    if (pace.isDryRun) return;
    try {
      await hands.setMissingSince(record, missingSince);
    } catch (error) {
      if (error instanceof Error && error.name === 'ClaimedElsewhere') return;
      alerts.push(`${record.instance} could not be marked as missing, or as seen again. ${hands.refusalOf(error)}`);
    }
  }

  async function retire(record: LedgerItem): Promise<ReportRow> {
    try {
      const found = await hands.find(record);
      if (found && found.state !== 'terminated' && isSameInstance(record, found.instance)) {
        await note(record, null);
        return rowOfRecord(record, home, { finding: 'not-listed', reason: ELSEWHERE, action: 'nothing', starts: null });
      }
      const { request, execution } = retirementOf(record, pace);
      const row = {
        reason: `It is gone: missed since ${record.missingSince}, and not found when asked for.`,
        execution,
      };
      if (pace.isDryRun) return rowOfRecord(record, home, { ...row, action: 'would-start' });
      const outcome = await hands.startRetirement(execution, request);
      if (outcome === 'started' || pace.isRepeated) return rowOfRecord(record, home, { ...row, action: 'started' });
      return rowOfRecord(record, home, { ...row, reason: `${row.reason} ${STARTED_BEFORE}`, action: 'nothing' });
    } catch (error) {
      const reason = `It is not listed, and whether it is gone nobody could say. ${hands.refusalOf(error)}`;
      alerts.push(`${record.instance}: ${reason}`);
      return rowOfRecord(record, home, { finding: 'not-listed', reason, action: 'nothing', starts: null });
    }
  }
}

const NO_MORE = 'The ledger knows it, and its service does not list it any more.';
const NOT_LISTED = `${NO_MORE} The next sweep asks for it by name, and retires it if it is gone.`;
const TOO_MANY = 'Too many are gone at once to be true: nothing is retired.';
const ELSEWHERE =
  'Its profile lists it no more, and its service still has it: its group, its tags or the profiles have changed.';

/** The retirement of a node, and the name of its execution: the same for every sweep of a day that misses it. */
function retirementOf(record: LedgerItem, { at, home }: Pace) {
  const { generation, missingSince } = record;
  const trigger = {
    detailType: SWEEP,
    eventId: `gone ${generation} ${missingSince} ${at.slice(0, 10)}`,
    eventTime: at,
  };
  const request: TriggeredRetirement = { ...naming(namedBy(record, home), home), trigger };
  return { request, execution: executionName(request) };
}

function rowOfRecord(
  record: LedgerItem,
  home: string,
  told: Pick<ReportRow, 'reason' | 'action'> & Partial<ReportRow>,
): ReportRow {
  const { platform, instanceId, region } = namedBy(record, home);
  return {
    instance: instanceId,
    platform,
    region,
    profile: record.profile ?? null,
    finding: 'gone',
    starts: 'retire-node',
    execution: null,
    exemptUntil: null,
    ...told,
  };
}
