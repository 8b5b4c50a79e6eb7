import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import type { Exemptible } from '../lib/profile.ts';
import {
  announcementOf,
  executionName,
  type InstanceInput,
  namedIn,
  naming,
  type TriggeredRequest,
  type TriggeredRetirement,
} from './request.ts';

/** An execution to start: its input names the instance, and its announcement holds everything else. */
export interface Start {
  readonly execution: string;
  readonly input: InstanceInput;
  readonly announcement: Occasion & {
    /** The instance's ledger key. */
    readonly subject: string;
  };
}

/** Why one of our own functions starts an execution. */
interface Occasion {
  readonly by: 'event' | 'watch' | 'sweep' | 'undo' | 'move' | 're-image';
  readonly detailType: string;
  /** Part of the execution's name: the same occasion starts nothing twice. */
  readonly eventId: string;
  readonly eventTime: string;
  /** The generation of the claim that asks for it. */
  readonly generation?: number;
  /** What its profile asks for and is not to be done this time. */
  readonly leaveOut?: Exemptible[];
  /** The hook in which the instance waits. */
  readonly autoScalingGroupName?: string;
  readonly lifecycleHookName?: string;
}

/** The start of an execution for an instance that is known already. */
export function startOn(instance: InstanceRef, occasion: Occasion): Start {
  const { detailType, eventId, eventTime } = occasion;
  const input = naming(instance);
  return {
    execution: executionName({ ...input, trigger: { detailType, eventId, eventTime } }),
    input,
    announcement: { ...occasion, subject: ledgerKey(instance) },
  };
}

/** The retirement of the earlier instance that had the same name, which its servers may still know. */
export function retirementOfFormer(
  instance: InstanceRef,
  { generation, launchTime }: { generation: number; launchTime?: string | null | undefined },
  at: string,
): Start {
  const eventId = `former-${generation}-${launchTime}`;
  return startOn(instance, { by: 'event', detailType: 'Instance Replaced', eventId, eventTime: at });
}

/** The retirement of the key that was on a former root volume: once for each enrolment that finds another one. */
export function retirementOfFormerDisk(instance: InstanceRef, execution: string, at: string): Start {
  const name = execution.slice(execution.lastIndexOf(':') + 1);
  const eventId = `re-image for ${name}`;
  return startOn(instance, { by: 're-image', detailType: 'Root Volume Replaced', eventId, eventTime: at });
}

/** The execution that answers an event's request. */
export function startForRequest(request: TriggeredRequest | TriggeredRetirement) {
  return {
    execution: executionName(request),
    input: naming(namedIn(request)),
    announcement: announcementOf(request),
  };
}
