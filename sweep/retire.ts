import { SWEEP } from '../events/request.ts';
import { type Start, startOn } from '../events/start.ts';
import { namedBy } from '../lib/instance.ts';
import { isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import { countOf, type Gone, whyTooMany } from './gone.ts';
import type { ReportRow } from './report.ts';
import { STARTED_BEFORE, type SweepLimits, type SweepServices } from './services.ts';

/** Retires the nodes that are gone, and records those that are missing for the first time. */
export async function retireGone(gone: readonly Gone[], services: SweepServices, limits: SweepLimits) {
  const rows: ReportRow[] = [];
  const alerts: string[] = [];
  for (const record of gone.flatMap(({ seenAgain }) => seenAgain)) await note(record, null);
  const { own = [], orphaned = [] } = Object.groupBy(gone, ({ isOrphaned }) => (isOrphaned ? 'orphaned' : 'own'));
  await retireAll(own, whyTooMany(own, limits.maxRetirements));
  // All nodes of a removed profile may be missing, which must not block the retirements of the other profiles.
  await retireAll(orphaned, whyTooMany(orphaned, limits.maxRetirements, countOf(own)));
  return { rows, alerts };

  async function retireAll(some: readonly Gone[], tooMany: string | undefined): Promise<void> {
    if (tooMany !== undefined) alerts.push(tooMany);
    for (const record of some.flatMap(({ missing }) => missing)) {
      const reason = tooMany === undefined ? NOT_LISTED : `${NO_MORE} ${TOO_MANY}`;
      rows.push(rowOfRecord(record, { reason, action: tooMany === undefined ? 'later' : 'nothing' }));
      if (tooMany === undefined && record.missingSince === undefined) await note(record, limits.at);
    }
    for (const record of some.flatMap(({ stillMissing }) => stillMissing))
      rows.push(
        tooMany === undefined
          ? await retire(record)
          : rowOfRecord(record, { reason: `${NO_MORE} ${TOO_MANY}`, action: 'nothing' }),
      );
  }

  /** If another execution has claimed the instance since, its record is newer than this sweep's. */
  async function note(record: LedgerItem, missingSince: string | null): Promise<void> {
    if (limits.isDryRun) return;
    try {
      await services.setMissingSince(record, missingSince);
    } catch (error) {
      if (error instanceof Error && error.name === 'ClaimedElsewhere') return;
      alerts.push(`${record.instance} could not be marked as missing, or as seen again. ${services.refusalOf(error)}`);
    }
  }

  async function retire(record: LedgerItem): Promise<ReportRow> {
    try {
      const found = await services.find(record);
      if (found && found.state !== 'terminated' && isSameInstance(record, found.instance)) {
        await note(record, null);
        return rowOfRecord(record, { finding: 'not-listed', reason: ELSEWHERE, action: 'nothing', starts: null });
      }
      const start = retirementOf(record, limits);
      const { execution } = start;
      const row = {
        reason: `It is gone: missed since ${record.missingSince}, and not found when looked up by name.`,
        execution,
      };
      if (limits.isDryRun) return rowOfRecord(record, { ...row, action: 'would-start' });
      const outcome = await services.startRetirement(start);
      if (outcome === 'started' || limits.isRepeated) return rowOfRecord(record, { ...row, action: 'started' });
      return rowOfRecord(record, { ...row, reason: `${row.reason} ${STARTED_BEFORE}`, action: 'nothing' });
    } catch (error) {
      const reason = `It is not listed, and its service could not be asked for it. ${services.refusalOf(error)}`;
      alerts.push(`${record.instance}: ${reason}`);
      return rowOfRecord(record, { finding: 'not-listed', reason, action: 'nothing', starts: null });
    }
  }
}

const NO_MORE = 'It is in the ledger, and its service does not list it any more.';
const NOT_LISTED = `${NO_MORE} The next sweep looks it up by name, and retires it if it is gone.`;
const TOO_MANY = 'Too many are missing at once: nothing is retired.';
const ELSEWHERE =
  'Its profile does not list it any more, but it still exists: its group, its tags or the profiles have changed.';

/** The retirement of a node, and the name of its execution: the same for every sweep of a day that misses it. */
function retirementOf(record: LedgerItem, { at }: SweepLimits): Start {
  const { generation, missingSince } = record;
  return startOn(namedBy(record), {
    by: 'sweep',
    detailType: SWEEP,
    eventId: `gone ${generation} ${missingSince} ${at.slice(0, 10)}`,
    eventTime: at,
  });
}

function rowOfRecord(record: LedgerItem, fields: Pick<ReportRow, 'reason' | 'action'> & Partial<ReportRow>): ReportRow {
  const { platform, instanceId, region } = namedBy(record);
  return {
    instance: instanceId,
    platform,
    region,
    profile: record.profile ?? null,
    finding: 'gone',
    starts: 'retire-node',
    execution: null,
    exemptUntil: null,
    ...fields,
  };
}
