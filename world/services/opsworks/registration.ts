import type { Instance } from '@aws-sdk/client-opsworks';
import { ACCOUNT_ID, REGION } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Range, secondsWithin } from '../../kernel/duration.ts';
import type { Random } from '../../kernel/random.ts';
import type { SimulatedNode } from '../../machines/node.ts';

export type RegistrationStatus =
  | 'registering'
  | 'running_setup'
  | 'registered'
  | 'assigning'
  | 'online'
  | 'setup_failed'
  | 'unassigning'
  | 'deregistering'
  | 'connection_lost';

/** How long each step takes; 60 to 120 s pass from RegisterInstance to `registered`. */
export interface RegistrationTiming {
  readonly registeringSeconds: number | Range;
  readonly runningSetupSeconds: number | Range;
  readonly assigningSeconds: number | Range;
  readonly unassigningSeconds: number | Range;
  readonly deregisteringSeconds: number | Range;
}

export const REGISTRATION_TIMING: RegistrationTiming = {
  registeringSeconds: [20, 40],
  runningSetupSeconds: [40, 80],
  assigningSeconds: [20, 45],
  unassigningSeconds: [5, 15],
  deregisteringSeconds: [2, 6],
};

/** What RegisterInstance brought and the service found out. */
interface RegistrationRecord {
  readonly instanceId: string;
  readonly stackId: string;
  readonly ec2InstanceId: string | undefined;
  readonly hostname: string | undefined;
  readonly publicIp: string | undefined;
  readonly privateIp: string | undefined;
  /** The machine whose OpsWorks agent serves this record; undefined: no agent will ever report for it. */
  readonly node: SimulatedNode | undefined;
}

interface Dependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly timing: RegistrationTiming;
}

/**
 * One record of a stack.
 *
 *     registering ──agent──► running_setup ──► registered ──assign──► assigning ──► online | setup_failed
 *          └ no agent, or off: for ever            └◄────── unassigning ◄──unassign──────────┘
 *     deregister, from every state: deregistering ──► gone
 */
export class Registration {
  readonly record: RegistrationRecord;
  layerIds: readonly string[] = [];
  readonly #dependencies: Dependencies;
  readonly #createdAt: number;
  #status: RegistrationStatus = 'registering';
  #cancel: () => void = () => {};

  constructor(record: RegistrationRecord, dependencies: Dependencies) {
    this.record = record;
    this.#dependencies = dependencies;
    this.#createdAt = dependencies.clock.now();
    const { registeringSeconds } = dependencies.timing;
    if (record.node) this.#after(registeringSeconds, () => this.#report());
  }

  /** A machine that is off is `connection_lost` where its agent would be expected. */
  get status(): RegistrationStatus {
    const isAgentExpected = this.#status === 'registered' || this.#status === 'online';
    return isAgentExpected && this.record.node?.isOn === false ? 'connection_lost' : this.#status;
  }

  assign(layerIds: readonly string[]): void {
    this.layerIds = layerIds;
    this.#status = 'assigning';
    this.#after(this.#dependencies.timing.assigningSeconds, () => {
      this.#status = this.record.node?.setupFails ? 'setup_failed' : 'online';
    });
  }

  unassign(): void {
    this.#status = 'unassigning';
    this.#after(this.#dependencies.timing.unassigningSeconds, () => {
      this.layerIds = [];
      this.#status = 'registered';
    });
  }

  /** Ends whatever goes on; `gone` is called when the record is to disappear. */
  deregister(gone: () => void): void {
    this.#status = 'deregistering';
    this.#after(this.#dependencies.timing.deregisteringSeconds, gone);
  }

  describe(): Instance {
    const { instanceId, stackId, ec2InstanceId, hostname, publicIp, privateIp, node } = this.record;
    const hasReported = node !== undefined && this.#status !== 'registering';
    return {
      InstanceId: instanceId,
      StackId: stackId,
      Arn: `arn:aws:opsworks:${REGION}:${ACCOUNT_ID}:instance/${instanceId}`,
      Status: this.status,
      Ec2InstanceId: ec2InstanceId,
      Hostname: hostname,
      PublicIp: publicIp,
      PrivateIp: privateIp,
      LayerIds: [...this.layerIds],
      InfrastructureClass: ec2InstanceId === undefined ? 'on-premises' : 'ec2',
      RegisteredBy: `arn:aws:iam::${ACCOUNT_ID}:root`,
      // OpsWorks' own spelling of an instant: a string with an offset, and no fraction.
      CreatedAt: new Date(this.#createdAt).toISOString().replace(/\.\d+Z$/, '+00:00'),
      ...(hasReported ? { AgentVersion: '4039-20200430042739', ReportedAgentVersion: '4039-20200430042739' } : {}),
    };
  }

  #report(): void {
    if (!this.record.node?.isOn) return;
    this.#status = 'running_setup';
    this.#after(this.#dependencies.timing.runningSetupSeconds, () => {
      this.#status = 'registered';
    });
  }

  #after(seconds: number | Range, callback: () => void): void {
    const { clock, random } = this.#dependencies;
    this.#cancel();
    this.#cancel = clock.at(clock.now() + secondsWithin(seconds, random) * 1000, callback);
  }
}
