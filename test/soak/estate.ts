import type { Profile } from '../../lib/profile.ts';
import type { ChefInfraServer, PuppetServer } from '../../lib/servers.ts';
import { ESTATE, type Estate, type HookSettings } from '../../local/estate.ts';

/** The HeartbeatTimeouts that are met in the field, in seconds: a group of each family for each. */
const HEARTBEAT_TIMEOUTS = [30, 60, 180, 300, 900, 2000, 3600, 7200];

/** From here on no hook of ours may expire. Shorter ones have limits that the README names. */
export const SHORTEST_PROMISED_SECONDS = 300;

/** Has a warm pool of five, refilled after every launch. */
const WARM_GROUP = 'cache-900';
/** Halfway through a soak its profile names the other server, with `move: true`. */
export const MOVING_GROUP = 'moving';
/** Another team's: no profile matches them. */
export const STRANGERS = { group: 'analytics', hook: 'analytics-warm-up', lightsail: 'foreign-1' };
/** Nodes that are on the servers before anything launches; the first has the name of a Lightsail instance of ours. */
export const STRANGE_NODES = ['site-0', 'mainframe'];

const CHEF: Profile['associate'] = {
  engine: 'opsworks-cm',
  serverName: 'ChefServer',
  serverEngine: 'ChefAutomate',
  chefOrganization: 'default',
};
export const PUPPET: Profile['associate'] = {
  engine: 'opsworks-cm',
  serverName: 'PuppetServer',
  serverEngine: 'Puppet',
};

const DEFAULTS = {
  metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '100%' },
  enrolWithinMinutes: 120,
  onFailure: 'hold',
  abandonLimit: 3,
} as const;
const LAUNCH = { lifecycleHook: 'muster-launch' };
const BOTH = { ...LAUNCH, terminationHook: 'muster-terminate' };

/** A profile of every kind: each engine, each failure policy, with both hooks, one and none. */
export function profilesWith(servers: { chefInfra: ChefInfraServer; puppet: PuppetServer }): Profile[] {
  const register = {
    stackId: ESTATE.stacks[0]?.StackId ?? '',
    layerIds: (ESTATE.stacks[0]?.Layers ?? []).map(({ LayerId }) => LayerId),
  };
  return [
    { ...DEFAULTS, ...BOTH, name: 'web', match: { autoScalingGroup: 'web-*' }, register, associate: CHEF },
    { ...DEFAULTS, ...BOTH, name: 'db', match: { autoScalingGroup: 'db-*' }, associate: PUPPET, onFailure: 'abandon' },
    {
      ...{ ...DEFAULTS, ...LAUNCH, name: 'cache', match: { autoScalingGroup: 'cache-*' } },
      ...{ associate: servers.chefInfra, onFailure: 'continue' },
    },
    { ...DEFAULTS, ...BOTH, name: 'moving', match: { autoScalingGroup: MOVING_GROUP }, associate: CHEF, move: true },
    { ...DEFAULTS, name: 'batch', match: { autoScalingGroup: 'batch' }, associate: CHEF },
    { ...DEFAULTS, name: 'site', match: { lightsail: 'site-*' }, associate: servers.puppet },
    { ...DEFAULTS, name: 'plain', match: { lightsail: 'plain-*' } },
  ];
}

/** Where instances launch, with relative weights. */
export const SHARES: readonly (readonly [place: string, share: number])[] = [
  ...HEARTBEAT_TIMEOUTS.flatMap((seconds): [string, number][] => [
    [`web-${seconds}`, 3],
    [`db-${seconds}`, 3],
    [`cache-${seconds}`, 2],
  ]),
  [MOVING_GROUP, 4],
  ['batch', 10],
  [STRANGERS.group, 2],
  ['lightsail site', 10],
  ['lightsail plain', 30],
];

export const SOAK_ESTATE: Estate = {
  ...ESTATE,
  groups: SHARES.filter(([place]) => !place.startsWith('lightsail ')).map(([AutoScalingGroupName]) => ({
    AutoScalingGroupName,
    MaxSize: 5000,
    ...(AutoScalingGroupName === WARM_GROUP && {
      WarmPool: { MinSize: 5, PoolState: 'Stopped' as const, ReuseOnScaleIn: true },
    }),
  })),
  hooks: [
    ...HEARTBEAT_TIMEOUTS.flatMap((seconds) =>
      ['web', 'db', 'cache'].flatMap((family) => hooksOf(`${family}-${seconds}`, seconds, family !== 'cache')),
    ),
    ...hooksOf(MOVING_GROUP, 900, true),
    ...ESTATE.hooks.filter(({ AutoScalingGroupName }) => AutoScalingGroupName === STRANGERS.group),
  ],
};

function hooksOf(AutoScalingGroupName: string, HeartbeatTimeout: number, isBoth: boolean): HookSettings[] {
  const hook = { AutoScalingGroupName, HeartbeatTimeout };
  const launch = {
    ...hook,
    LifecycleHookName: BOTH.lifecycleHook,
    LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' as const,
  };
  const terminate = {
    ...hook,
    LifecycleHookName: BOTH.terminationHook,
    LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING' as const,
  };
  return isBoth ? [launch, terminate] : [launch];
}
