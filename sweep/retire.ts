import { executionName, naming, SWEEP, type TriggeredRetirement } from '../events/request.ts';
import { namedBy } from '../lib/state.ts';
import type { LedgerItem } from '../services/ledger.ts';
import { type Gone, whyTooMany } from './gone.ts';
import type { Hands, Pace } from './hands.ts';
import type { ReportRow } from './report.ts';

/** What a sweep does with what is gone. */
export async function retireGone(gone: readonly Gone[], hands: Hands, pace: Pace) {
  const { home } = pace;
  const rows: ReportRow[] = [];
  const alerts: string[] = [];
  for (const record of gone.flatMap(({ seenAgain }) => seenAgain)) await note(record, null);
  const tooMany = whyTooMany(gone, pace.maxRetirements);
  if (tooMany !== undefined) alerts.push(tooMany);
  for (const { missing, stillMissing } of gone) {
    for (const record of missing) {
      const reason = tooMany === undefined ? NOT_LISTED : `${NO_MORE} ${TOO_MANY}`;
      rows.push(rowOfRecord(record, home, { reason, action: tooMany === undefined ? 'later' : 'nothing' }));
      if (tooMany === undefined) await note(record, pace.at);
    }
    for (const record of stillMissing)
      rows.push(
        tooMany === undefined
          ? await retire(record)
          : rowOfRecord(record, home, { reason: `${NO_MORE} ${TOO_MANY}`, action: 'nothing' }),
      );
  }
  return { rows, alerts };

  /** Who has taken the instance in the meantime knows better than this sweep. */
  async function note(record: LedgerItem, missingSince: string | null): Promise<void> {
    if (pace.isDryRun) return;
    try {
      await hands.setMissingSince(record, missingSince);
    } catch (error) {
      if (error instanceof Error && error.name === 'ClaimedElsewhere') return;
      alerts.push(`${record.instance} could not be marked as missing, or as seen again. ${sentenceOf(error)}`);
    }
  }

  async function retire(record: LedgerItem): Promise<ReportRow> {
    try {
      const found = await hands.find(record);
      if (found && found.state !== 'terminated') {
        await note(record, null);
        return rowOfRecord(record, home, { finding: 'unknown', reason: ELSEWHERE, action: 'nothing', starts: null });
      }
      const { request, execution } = retirementOf(record, pace);
      const row = {
        reason: `It is gone: missed since ${record.missingSince}, and not found when asked for.`,
        execution,
      };
      if (pace.isDryRun) return rowOfRecord(record, home, { ...row, action: 'would-start' });
      await hands.startRetirement(execution, request);
      return rowOfRecord(record, home, { ...row, action: 'started' });
    } catch (error) {
      const reason = `It is not listed, and whether it is gone nobody could say. ${sentenceOf(error)}`;
      alerts.push(`${record.instance}: ${reason}`);
      return rowOfRecord(record, home, { finding: 'unknown', reason, action: 'nothing', starts: null });
    }
  }

  function sentenceOf(error: unknown): string {
    const refusal = hands.refusalOf(error);
    if (refusal === undefined) throw error;
    return refusal;
  }
}

const NO_MORE = 'The ledger knows it, and its service does not list it any more.';
const NOT_LISTED = `${NO_MORE} The next sweep asks for it by name, and retires it if it is gone.`;
const TOO_MANY = 'Too many are gone at once to be true: nothing is retired.';
const ELSEWHERE =
  'Its profile lists it no more, and its service still has it: its group, its tags or the profile have changed.';

/** The retirement of a node, and the name of its execution: the same for every sweep that misses it. */
function retirementOf(record: LedgerItem, { at, home }: Pace) {
  const { generation, missingSince } = record;
  const trigger = { detailType: SWEEP, eventId: `gone ${generation} ${missingSince}`, eventTime: at };
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
