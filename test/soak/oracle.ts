import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { NEVER, NOT_YET } from '../../lib/errors.ts';
import { documents } from '../../services/ledger-writes.ts';
import { SWEEP_ALERT } from '../../sweep/alerts.ts';
import type { LifecycleAction } from '../../world/services/auto-scaling/lifecycle-actions.ts';
import type { ApiCall } from '../../world/wire/apis.ts';
import { MOVING_GROUP, SHORTEST_PROMISED_SECONDS, STRANGERS } from './estate.ts';
import { RESTORED } from './re-images.ts';
import { nodesOf, type ServerNode } from './servers.ts';
import type { Life, SoakWorld } from './world.ts';

/** The kinds of violation. A passing run has none. */
export const KINDS = [
  'a node without its instance',
  'an instance without its node',
  "a stranger's object was touched",
  "a hook's time-out decided",
  'a wrong abandon',
  'in service without an enrolment',
  'the ledger differs from the world',
  'twice',
  'an absence was believed',
  'an unexpected end',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Violation {
  readonly kind: Kind;
  /** The instance's id or name; empty where it is about none. */
  readonly instance: string;
  readonly sentence: string;
}

/**
 * The server where a place's nodes belong at the end. A sweep has moved those of the moving group by then.
 */
function serverOf(place: string): string | undefined {
  if (/^(web-|batch$)/.test(place)) return 'ChefServer';
  if (place.startsWith('db-') || place === MOVING_GROUP) return 'PuppetServer';
  if (place.startsWith('cache-')) return 'chef';
  return place === 'lightsail site' ? 'puppet' : undefined;
}

/** Judges calls as they are answered: what was true at that instant cannot be seen at the end. */
export function judgeCall(world: SoakWorld, { operation, input, error }: ApiCall): Violation[] {
  if (operation !== 'CompleteLifecycleAction' || error) return [];
  const {
    AutoScalingGroupName: place,
    LifecycleHookName: hook,
    LifecycleActionResult: result,
    ...target
  } = input as Record<string, string>;
  const instance = target.InstanceId ?? instanceOf(world, target.LifecycleActionToken);
  const life = world.lives.find(({ name }) => name === instance);
  if (hook === STRANGERS.hook)
    return [{ kind: "a stranger's object was touched", instance, sentence: `Its hook ${hook} was completed.` }];
  if (hook !== 'muster-launch' || !life) return [];
  if (result === 'ABANDON') {
    if (place?.startsWith('db-') && (life.unfit || isDeadlineOver(world, instance, place))) return [];
    return [{ kind: 'a wrong abandon', instance, sentence: `Its launch in ${place} was abandoned.` }];
  }
  // With a key of a former disk it is not enrolled.
  const isThere = nodesOf(world).some(
    ({ name, fingerprint }) => name === instance && fingerprint === (life.key ?? fingerprint),
  );
  const isItsPolicy = place?.startsWith('cache-') && (life.unfit || isDeadlineOver(world, instance, place));
  if ((isThere && !life.unfit) || isItsPolicy) return [];
  return [{ kind: 'in service without an enrolment', instance, sentence: `Its launch in ${place} was continued.` }];
}

/** An outage of an hour can outlast the limit of a short hook. The profile's `abandon` or `continue` is then correct. */
function isDeadlineOver({ autoScaling, clock }: SoakWorld, instance: string, place: string): boolean {
  const seconds = autoScaling.group(place).hooks.get('muster-launch')?.HeartbeatTimeout ?? 0;
  const action = autoScaling.actions.all.findLast((one) => one.instanceId === instance && one.hook === 'muster-launch');
  const waitedSeconds = (clock.now() - (action?.startedAt ?? clock.now())) / 1000;
  return seconds < SHORTEST_PROMISED_SECONDS && waitedSeconds > (100 * seconds) / 2;
}

function instanceOf({ autoScaling }: SoakWorld, token: string | undefined): string {
  return autoScaling.actions.all.findLast((action) => action.token === token)?.instanceId ?? '';
}

/** Judges an execution that has ended. */
export function judgeEnd(
  world: SoakWorld,
  execution: ReturnType<SoakWorld['machines']['executions']>[number],
): Violation[] {
  const { status, outcome, machine, name, inputText, startedAt } = execution;
  if (status !== 'FAILED' && status !== 'TIMED_OUT') return [];
  const { instanceId, lightsailInstanceName } = JSON.parse(inputText) as Record<string, string>;
  const instance = instanceId ?? lightsailInstanceName ?? '';
  const where = `${machine.name} ${name}`;
  // One round of a schedule may fail: the next makes up for it.
  const isScheduled = /-(sweep-fleet|watch-hooks)$/.test(machine.name);
  const expected: readonly (string | undefined)[] = isScheduled ? [...NOT_YET, SWEEP_ALERT, undefined] : NEVER;
  if (!expected.includes(outcome.error))
    return [
      { kind: 'an unexpected end', instance, sentence: `${where} ended with ${outcome.error}: ${outcome.cause}` },
    ];
  if (outcome.error === 'InstanceGone' && isAlive(world, instance, startedAt))
    return [{ kind: 'an absence was believed', instance, sentence: `${where} says that it is gone: ${outcome.cause}` }];
  return [];
}

/**
 * Whether the instance that an execution was started for still runs. Lightsail may have given its name to another one since.
 * An instance that its group is about to terminate still runs at EC2, and has ended for Muster.
 */
function isAlive({ autoScaling, ec2, lightsail }: SoakWorld, instance: string, since: number): boolean {
  if (!instance.startsWith('i-')) {
    const shown = lightsail.instance(instance);
    return shown?.state === 'running' && shown.createdAt.getTime() <= since;
  }
  const member = autoScaling.members.get(instance);
  if (!member || member.group.leaving.has(member)) return false;
  return ['pending', 'running', 'stopped'].includes(ec2.instance(instance)?.state ?? '');
}

/** Judges the registrations of now: OpsWorks Stacks allows duplicates. */
export function judgeRegistrations({ opsWorks }: SoakWorld): Violation[] {
  const ids = opsWorks.snapshot().instances.map(({ ec2InstanceId = '' }) => ec2InstanceId);
  const repeated = ids.filter((id, index) => ids.indexOf(id) !== index);
  return repeated.map((instance) => ({ kind: 'twice', instance, sentence: 'It is registered twice in its stack.' }));
}

/** Judges what every service holds at the end, when everything has had the time of several sweeps. */
export async function judgeEndState(world: SoakWorld): Promise<Violation[]> {
  const living = livesOf(world);
  const nodes = nodesOf(world);
  const fingerprints = new Map<Life, string | undefined>();
  for (const life of world.lives) fingerprints.set(life, await life.fingerprint);
  const facts = { living, nodes, fingerprints };
  return [
    ...nodeless(world, facts),
    ...missing(world, facts),
    ...registrations(world, facts),
    ...strangers(world, facts),
    ...actions(world),
    ...inService(world, facts),
    ...executions(world),
    ...(await ledger(world, facts)),
  ];
}

interface Facts {
  /** The instance that has the name now. */
  readonly living: ReadonlyMap<string, Life>;
  readonly nodes: readonly ServerNode[];
  readonly fingerprints: ReadonlyMap<Life, string | undefined>;
}

function livesOf({ lives, ec2, lightsail }: SoakWorld): Map<string, Life> {
  const isThere = ({ name, arn }: Life) => {
    if (arn) return lightsail.instance(name)?.arn === arn;
    return !['terminated', 'shutting-down', undefined].includes(ec2.instance(name)?.state);
  };
  return new Map(lives.filter(isThere).map((life) => [life.name, life]));
}

function isStrange({ strangeNodes }: SoakWorld, node: ServerNode): boolean {
  return strangeNodes.some(
    ({ server, name, fingerprint }) => server === node.server && name === node.name && fingerprint === node.fingerprint,
  );
}

function nodeless(world: SoakWorld, { living, nodes, fingerprints }: Facts): Violation[] {
  return nodes.flatMap((node): Violation[] => {
    if (isStrange(world, node)) return [];
    const life = living.get(node.name);
    const kind = 'a node without its instance';
    const where = `${node.server} has a node ${node.name}`;
    if (!life) return [{ kind, instance: node.name, sentence: `${where}, and no such instance runs.` }];
    if (fingerprints.get(life) !== node.fingerprint)
      return [{ kind, instance: node.name, sentence: `${where} with another key than the instance's.` }];
    if (life.unfit === RESTORED)
      return [{ kind, instance: node.name, sentence: `${where} with the key of a former disk.` }];
    if (serverOf(life.place) !== node.server)
      return [{ kind, instance: node.name, sentence: `${where}, which belongs to ${serverOf(life.place)}.` }];
    return [];
  });
}

/** Whether Muster must have enrolled it: a profile matches it, it can be enrolled, and no person has retired it. */
const isToBeEnrolled = ({ place, unfit, isRetiredByHand }: Life) =>
  place !== STRANGERS.group && place !== '' && unfit === undefined && !isRetiredByHand;

function missing({ ec2, lightsail }: SoakWorld, { living, nodes }: Facts): Violation[] {
  return [...living.values()].filter(isToBeEnrolled).flatMap((life): Violation[] => {
    const { name: instance, place, arn } = life;
    const kind = 'an instance without its node';
    const server = serverOf(place);
    const isThere = server === undefined || nodes.some((node) => node.server === server && node.name === instance);
    const tokens = arn
      ? lightsail.instance(instance)?.metadataOptions.httpTokens
      : ec2.instance(instance)?.metadataOptions.HttpTokens;
    return [
      ...(isThere
        ? []
        : [{ kind, instance, sentence: `It runs in ${place}, and ${server} has no node of its name.` } as const]),
      ...(tokens === 'required'
        ? []
        : [{ kind, instance, sentence: `It runs in ${place} with IMDSv1 open.` } as const]),
    ];
  });
}

function registrations(world: SoakWorld, { living }: Facts): Violation[] {
  const registered = world.opsWorks.snapshot().instances.map(({ ec2InstanceId = '' }) => ec2InstanceId);
  const wanted = [...living.values()].filter((life) => isToBeEnrolled(life) && life.place.startsWith('web-'));
  const lacking = wanted.filter(({ name }) => !registered.includes(name));
  const left = registered.filter((id) => id !== world.strangerInstance && !living.get(id)?.place.startsWith('web-'));
  return [
    ...lacking.map(({ name: instance }) => {
      return { kind: 'an instance without its node', instance, sentence: 'Its stack does not have it.' } as const;
    }),
    ...left.map((instance) => {
      return { kind: 'a node without its instance', instance, sentence: 'Its stack still has it.' } as const;
    }),
    ...judgeRegistrations(world),
  ];
}

function strangers(world: SoakWorld, { nodes, living }: Facts): Violation[] {
  const { strangeNodes, ec2, lightsail, opsWorks, strangerInstance } = world;
  const kind = "a stranger's object was touched";
  const gone = strangeNodes.filter(
    (own) =>
      !nodes.some(
        ({ server, name, fingerprint }) =>
          server === own.server && name === own.name && fingerprint === own.fingerprint,
      ),
  );
  const changed = [...living.values()]
    .filter(({ place }) => place === STRANGERS.group)
    .filter(({ name }) => ec2.instance(name)?.metadataOptions.HttpTokens !== 'optional');
  const isRegistered = opsWorks.snapshot().instances.some(({ ec2InstanceId }) => ec2InstanceId === strangerInstance);
  const isUntouched = lightsail.instance(STRANGERS.lightsail)?.metadataOptions.httpTokens === 'optional';
  const hooks = world.autoScaling.actions.all.filter(
    ({ hook, heartbeats, resolvedBy }) => hook === STRANGERS.hook && (heartbeats > 0 || resolvedBy === 'caller'),
  );
  return [
    ...gone.map(
      ({ server, name: instance }) => ({ kind, instance, sentence: `${server} has lost its node.` }) as const,
    ),
    ...changed.map(
      ({ name: instance }) => ({ kind, instance, sentence: 'Its metadata options are changed.' }) as const,
    ),
    ...hooks.map(({ instanceId: instance }) => ({ kind, instance, sentence: 'Its hook got a call of ours.' }) as const),
    ...(isRegistered ? [] : [{ kind, instance: strangerInstance, sentence: 'It is out of its stack.' } as const]),
    ...(isUntouched
      ? []
      : [{ kind, instance: STRANGERS.lightsail, sentence: 'Its metadata options are changed.' } as const]),
  ];
}

/** A launch that is held until its hook's own limit ends by the time-out; no other does. */
function actions(world: SoakWorld): Violation[] {
  return world.autoScaling.actions.all
    .filter(({ resolvedBy }) => resolvedBy === 'timeout')
    .flatMap((action): Violation[] => {
      const seconds =
        world.autoScaling.group(action.autoScalingGroupName).hooks.get(action.hook)?.HeartbeatTimeout ?? 0;
      if (action.hook === STRANGERS.hook || seconds < SHORTEST_PROMISED_SECONDS) return [];
      if (isHeldToItsLimit(world, action, seconds)) return [];
      const lasted = Math.round(((action.resolvedAt ?? 0) - action.startedAt) / 1000);
      const sentence = `${action.hook} of ${action.autoScalingGroupName} expired after ${lasted} s and ${action.heartbeats} heartbeats.`;
      return [{ kind: "a hook's time-out decided", instance: action.instanceId, sentence }];
    });
}

function isHeldToItsLimit({ lives }: SoakWorld, action: LifecycleAction, seconds: number): boolean {
  const life = lives.find(({ name }) => name === action.instanceId);
  const limit = Math.min(48 * 3600, 100 * seconds);
  return life?.unfit !== undefined && (action.resolvedAt ?? 0) - action.startedAt >= (limit - seconds) * 1000;
}

function inService({ autoScaling }: SoakWorld, { living }: Facts): Violation[] {
  return autoScaling.members.all.flatMap(({ instance, lifecycleState }): Violation[] => {
    const life = living.get(instance.instanceId);
    if (!life || lifecycleState !== 'InService' || !life.unfit) return [];
    // Elsewhere it may be in service: `onFailure: continue`, or no launch hook. A person's replacement passes no hook.
    if (!/^(web-|db-|moving)/.test(life.place) || life.unfit === RESTORED) return [];
    const sentence = `It is in service in ${life.place}, although it can't be enrolled (${life.unfit}).`;
    return [{ kind: 'in service without an enrolment', instance: life.name, sentence }];
  });
}

function executions({ machines }: SoakWorld): Violation[] {
  const running = machines.executions().filter(({ status }) => status === 'RUNNING');
  return running.map(({ machine, name, stateName, inputText }) => {
    const { instanceId, lightsailInstanceName } = JSON.parse(inputText) as Record<string, string>;
    const sentence = `${machine.name} ${name} still runs, in ${stateName}.`;
    return { kind: 'an unexpected end', instance: instanceId ?? lightsailInstanceName ?? '', sentence };
  });
}

type Item = Record<string, unknown> & { readonly instance: string };

async function ledger(world: SoakWorld, facts: Facts): Promise<Violation[]> {
  const items = await allItems();
  const instances = items.filter(({ instance }) => /^(i-|lightsail\/)/.test(instance));
  const waiting = items.filter(({ instance }) => instance.startsWith('waiting/'));
  const open = world.autoScaling.actions.all
    .filter(({ result }) => result === undefined)
    .map((action) => action.instanceId);
  const kind = 'the ledger differs from the world';
  return [
    ...instances.flatMap((item) => [...judgeItem(item, facts), ...judgeBinding(item, facts, world)]),
    ...waiting
      .map(({ instance }) => instance.split('/')[1] ?? '')
      .filter((instance) => !open.includes(instance))
      .map((instance) => ({ kind, instance, sentence: 'The ledger says that it waits in a hook.' }) as const),
    ...[...facts.living.values()].filter(isToBeEnrolled).flatMap((life): Violation[] => {
      const key = life.arn ? `lightsail/eu-west-1/${life.name}` : life.name;
      const status = instances.find(({ instance }) => instance === key)?.status;
      if (status === 'enrolled') return [];
      return [
        { kind, instance: life.name, sentence: `It runs in ${life.place}; its item is ${status ?? 'not there'}.` },
      ];
    }),
  ];
}

function judgeItem({ instance: key, status, associations }: Item, { living, nodes }: Facts): Violation[] {
  const instance = key.split('/').at(-1) ?? '';
  const kind = 'the ledger differs from the world';
  const life = living.get(instance);
  const differs = (sentence: string): Violation[] => [{ kind, instance, sentence }];
  if (status === 'enrolling' || status === 'retiring' || status === 're-imaging')
    return differs(`Its item says ${status}.`);
  if (!life && status !== 'retired') return differs(`It is gone, and its item says ${status}.`);
  if (life && status === 'retired' && !life.isRetiredByHand) return differs('It runs, and its item says retired.');
  return Object.values(
    (associations ?? {}) as Record<string, { status: string; server: { serverName?: string } }>,
  ).flatMap(({ status: recorded, server: { serverName } }) => {
    const isOurs = recorded === 'confirmed' || recorded === 'asked';
    if (!serverName || !isOurs) return [];
    if (nodes.some((node) => node.server === serverName && node.name === instance)) return [];
    return differs(`Its item says ${recorded} at ${serverName}, which has no node of its name.`);
  });
}

/** An enrolled instance's item has the key and the root volume that the instance has. */
function judgeBinding(
  { instance: key, status, publicKeyFingerprint, rootVolumeId }: Item,
  { living, fingerprints }: Facts,
  { ec2 }: SoakWorld,
): Violation[] {
  const instance = key.split('/').at(-1) ?? '';
  const life = living.get(instance);
  if (!life || status !== 'enrolled' || publicKeyFingerprint === undefined) return [];
  const kind = 'the ledger differs from the world';
  const volumeId = ec2.instance(instance)?.rootVolume?.volumeId;
  return [
    ...(String(publicKeyFingerprint).replaceAll(':', '') === fingerprints.get(life)
      ? []
      : [{ kind, instance, sentence: 'Its item has another key.' } as const]),
    ...(life.arn || rootVolumeId === volumeId
      ? []
      : [{ kind, instance, sentence: `Its item says ${rootVolumeId}, and ${volumeId} is attached.` } as const]),
  ];
}

async function allItems(): Promise<Item[]> {
  const items: Item[] = [];
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await documents.send(new ScanCommand({ TableName: process.env.LEDGER_TABLE, ExclusiveStartKey }));
    items.push(...((page.Items ?? []) as Item[]));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
  return items;
}
