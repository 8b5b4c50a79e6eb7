import type { GroupSettings } from '../world/services/auto-scaling/group.ts';
import type { StackSpecification } from '../world/services/opsworks/opsworks.ts';
import type { ServerSpecification } from '../world/services/opsworks-cm/server.ts';

/** A lifecycle hook of a group; the service's defaults stand for what is left out. */
export interface HookSettings {
  readonly AutoScalingGroupName: string;
  readonly LifecycleHookName: string;
  readonly LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' | 'autoscaling:EC2_INSTANCE_TERMINATING';
  readonly HeartbeatTimeout?: number;
  readonly DefaultResult?: 'CONTINUE' | 'ABANDON';
}

/** What a world holds before anything happens: groups without instances, their hooks, stacks and servers. */
export interface Estate {
  readonly groups: readonly GroupSettings[];
  readonly hooks: readonly HookSettings[];
  readonly stacks: readonly StackSpecification[];
  readonly servers: readonly ServerSpecification[];
}

const launching = 'autoscaling:EC2_INSTANCE_LAUNCHING';
const terminating = 'autoscaling:EC2_INSTANCE_TERMINATING';

/** The estate that the shipped profiles.yml is written for. */
export const ESTATE: Estate = {
  groups: [
    { AutoScalingGroupName: 'web', MaxSize: 2000 },
    { AutoScalingGroupName: 'database', MaxSize: 2000 },
    { AutoScalingGroupName: 'batch-nightly', MaxSize: 2000 },
    // Another team's, which no profile matches and whose hook is none of ours.
    { AutoScalingGroupName: 'analytics', MaxSize: 2000 },
  ],
  hooks: [
    { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', LifecycleTransition: launching },
    { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-terminate', LifecycleTransition: terminating },
    { AutoScalingGroupName: 'database', LifecycleHookName: 'muster-launch', LifecycleTransition: launching },
    { AutoScalingGroupName: 'database', LifecycleHookName: 'muster-terminate', LifecycleTransition: terminating },
    {
      AutoScalingGroupName: 'analytics',
      LifecycleHookName: 'analytics-warm-up',
      LifecycleTransition: launching,
      DefaultResult: 'CONTINUE',
    },
  ],
  stacks: [
    {
      StackId: '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11',
      Name: 'Web',
      Layers: [{ LayerId: 'b2f3c7d4-51aa-4b0e-8c0b-2f1d9a7e6c22', Name: 'Web', Shortname: 'web', Type: 'custom' }],
    },
  ],
  servers: [
    { serverName: 'ChefServer', engine: 'ChefAutomate' },
    { serverName: 'PuppetServer', engine: 'Puppet' },
  ],
};

/** The estate, with these servers of OpsWorks CM in the place of those of the same names. */
export function estateWith(servers: readonly ServerSpecification[]): Estate {
  const names = servers.map(({ serverName }) => serverName);
  return {
    ...ESTATE,
    servers: [...servers, ...ESTATE.servers.filter(({ serverName }) => !names.includes(serverName))],
  };
}
