import type { GroupMember, InstanceRef } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import { isInPhase } from '../lib/lifecycle-state.ts';
import type { Retirement } from '../lib/state.ts';
import type { Occasion, RetirementDecision, RetirementFacts } from './retirement.ts';
import { retirementOf } from './undoing.ts';

/** What our own functions announced of a retirement: services/announcements.ts. */
interface AnnouncedRetirement extends Pick<Occasion, 'destination' | 'action' | 'generation'> {
  readonly by: Exclude<Occasion['by'], 'person'>;
  readonly eventTime: string;
  readonly autoScalingGroupName?: string | undefined;
}

type OccasionInGroup = Occasion & { readonly group?: string | undefined };

/** What started a retirement. Whatever was not announced, a person has started. */
export function occasionOf(announced: AnnouncedRetirement | undefined): OccasionInGroup {
  if (!announced) return { by: 'person', at: null };
  const { by, eventTime, destination, action, generation, autoScalingGroupName } = announced;
  return { by, at: eventTime, destination, action, generation, group: autoScalingGroupName };
}

/**
 * What the retirement's decision has to know of the instance. Where the answer would decide nothing, a service that fails or
 * denies must not stand in the way.
 */
export function lookupsOf(
  { platform }: Pick<InstanceRef, 'platform'>,
  item: Pick<LedgerItem, 'status'> | undefined,
  { by, isConfirmed }: Pick<Occasion, 'by'> & Pick<RetirementFacts, 'isConfirmed'>,
): { readonly instance: boolean; readonly member: boolean } {
  const isOurOwn = by === 'undo' || by === 'move';
  return { instance: !item || !(isConfirmed || isOurOwn), member: platform === 'ec2' && !isOurOwn };
}

/** The group in one of whose termination hooks the instance waits: it goes, or its root volume does. */
export function waitingGroup(member: GroupMember | undefined): string | null {
  const isWaiting = isInPhase(member?.lifecycleState, 'termination-waits', 'replacement-waits');
  return member && isWaiting ? member.autoScalingGroupName : null;
}

/** The answer for an instance that this retirement does not claim. */
export function unclaimed(
  { named, item }: Pick<RetirementFacts, 'named' | 'item'>,
  decision: Exclude<RetirementDecision, { kind: 'retire' | 're-image' }>,
  waitsInGroup: string | null,
): Retirement {
  const outcome = { reason: null, wasRunning: false, waitsInGroup };
  if (decision.kind === 'leave') return retirementOf(named, item, { ...outcome, status: 'leaving' });
  const { kind: status, ...rest } = decision;
  return retirementOf(named, item, { ...outcome, status, ...rest });
}
