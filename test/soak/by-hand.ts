import type { Random } from '../../world/kernel/random.ts';
import { deploy } from '../support/sweeps.ts';
import { between, HOUR, isOneOf, MINUTE, oneOf, shared } from './chance.ts';
import { PUPPET, STRANGERS } from './estate.ts';
import type { Life, SoakWorld } from './world.ts';

/** What people do meanwhile: start executions by hand, some of them wrong, and deploy. */
export function planHands(world: SoakWorld, random: Random, until: number): void {
  const { clock } = world;
  const begin = clock.now();
  for (let instant = begin; instant < until; instant += between(random, 2, 20) * MINUTE)
    clock.at(instant, () => startSomething(world, random));
  for (let instant = begin; instant < until; instant += 6 * HOUR) clock.at(instant, () => changeOptions(world, random));
  clock.at((begin + until) / 2, () => move(world));
}

/** Every hour, as deployed. */
export function planSweeps({ clock, machines, sweepFleetArn }: SoakWorld, until: number): void {
  for (let instant = clock.now() + HOUR; instant < until; instant += HOUR)
    clock.at(instant, () => void machines.start({ stateMachineArn: sweepFleetArn, input: '{}' }));
}

const UNKNOWN = { instanceId: 'i-0badc0ffee0ddf00d' };

type Input = Readonly<Record<string, unknown>>;

/** What a person starts, and how often of twenty times. */
const STARTS: readonly (readonly [
  start: (world: SoakWorld, input: Input, life: Life | undefined) => void,
  share: number,
])[] = [
  [({ machines, enrolNodeArn }, input) => machines.start({ stateMachineArn: enrolNodeArn, ...typed(input) }), 10],
  [({ machines, retireNodeArn }, input) => machines.start({ stateMachineArn: retireNodeArn, ...typed(input) }), 6],
  [({ machines, sweepFleetArn }) => machines.start({ stateMachineArn: sweepFleetArn }), 1],
  [
    ({ machines, enrolNodeArn }, input) =>
      machines.start({ stateMachineArn: enrolNodeArn, ...typed({ ...input, lifecycleActionToken: 'forged' }) }),
    1,
  ],
  [retireRunning, 2],
];

const typed = (input: Input) => ({ input: JSON.stringify(input) });

function startSomething(world: SoakWorld, random: Random): void {
  const { lives, history } = world;
  const life = lives[Math.floor(random() * lives.length)];
  const start = shared(random, STARTS);
  const isMistyped = life === undefined || isOneOf(random, 0.05);
  if (!isMistyped) history.add(life.name, 'a person may start an execution');
  start(world, isMistyped ? UNKNOWN : requestOf(life), isMistyped ? undefined : life);
}

/** Another team's instance has no ledger item, so retiring it must do nothing. */
function retireRunning(world: SoakWorld, input: Input, life: Life | undefined): void {
  if (!life || !isSettled(world, life)) return;
  if (life.place !== STRANGERS.group) life.isRetiredByHand = true;
  world.machines.start({ stateMachineArn: world.retireNodeArn, ...typed({ ...input, confirm: true }) });
}

function requestOf({ name, place }: Life): Input {
  return place.startsWith('lightsail ') ? { lightsailInstanceName: name } : { instanceId: name };
}

/** Whether it runs, and its launch is over. */
function isSettled({ autoScaling, lightsail }: SoakWorld, { name, arn }: Life): boolean {
  if (arn) return lightsail.instance(name)?.arn === arn;
  return autoScaling.members.get(name)?.lifecycleState === 'InService';
}

/** Another version of a profile: a sweep enrols its instances again. */
function changeOptions({ history }: SoakWorld, random: Random): void {
  const [name, httpPutResponseHopLimit] = [oneOf(random, ['web', 'batch', 'cache']), oneOf(random, [1, 2, 3])];
  history.weather(`a deployment: ${name} has httpPutResponseHopLimit ${httpPutResponseHopLimit}`);
  deploy(({ profiles }) => {
    const metadata = profiles.find((profile) => profile.name === name)?.metadata;
    if (metadata) Object.assign(metadata, { httpPutResponseHopLimit });
  });
}

function move({ history }: SoakWorld): void {
  history.weather('a deployment: moving moves to PuppetServer');
  deploy(({ profiles }) => {
    Object.assign(profiles.find(({ name }) => name === 'moving') ?? {}, { associate: PUPPET });
  });
}
