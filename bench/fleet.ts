import { createHash } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import { ESTATE } from '../local/estate.ts';
import { createWorld, type World, type WorldOptions } from '../local/world.ts';
import { type ProfilesFile, readProfilesFile } from '../profiles/file.ts';
import { profileVersion } from '../profiles/version.ts';
import { WorldClock } from '../world/kernel/clock.ts';
import { seededRandom } from '../world/kernel/random.ts';
import { thriftyKeys } from '../world/pki/thrifty-keys.ts';
import { operationsOf } from '../world/wire/endpoint.ts';
import { createGateway } from '../world/wire/listen.ts';
import type { Service } from '../world/wire/service.ts';

/** A fleet that has run for an hour, and what of it drifts. */
export interface Fleet {
  readonly world: World;
  readonly instances: number;
  /** How many are not as their profile says. */
  readonly drifting: number;
  /** The world's instant, for the sweep to judge by. */
  readonly at: string;
  readonly close: () => Promise<void>;
}

/** What an instance is like. Of ten, nine are as they should be. */
type Kind = 'enrolled' | 'untold' | 'hop-limit' | 'open';
const DRIFTS: readonly Kind[] = ['untold', 'untold', 'hop-limit', 'open'];
const EVERY = 10;

const OPTIONS = {
  enrolled: { httpTokens: 'required', httpPutResponseHopLimit: 2 },
  // It is not enrolled, and its owner has closed IMDSv1.
  untold: { httpTokens: 'required', httpPutResponseHopLimit: 2 },
  'hop-limit': { httpTokens: 'required', httpPutResponseHopLimit: 1 },
  open: { httpTokens: 'optional', httpPutResponseHopLimit: 2 },
} as const satisfies Record<Kind, object>;

const START = new Date('2031-05-06T07:08:09Z');
const HOUR_MILLISECONDS = 3600 * 1000;
/** The most that BatchWriteItem takes. */
const ITEMS_PER_CALL = 25;

/**
 * Makes a world with so many instances, half of them in an Auto Scaling group and half of them Lightsail's: nine of ten
 * enrolled, one of ten drifting. Its services answer on a port of their own.
 */
export async function createFleet(count: number, options: Partial<WorldOptions> = {}): Promise<Fleet> {
  const gateway = createGateway();
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  const world = await createWorld({
    ...{ gateway, clock, port: await gateway.listen(0), random: seededRandom(1), keySource: thriftyKeys() },
    estate: { ...ESTATE, groups: [{ AutoScalingGroupName: 'web', MaxSize: count }], hooks: [] },
    profiles: readProfilesFile('profiles.yml').profiles.map(withHopLimit),
    onLog: () => {},
    ...options,
  });
  // As profiles.yml would say it: a tenth of the largest fleet.
  process.env.MUSTER_PROFILES = JSON.stringify({ ...deployedFile(), sweep: { maxStarts: 1000 } });
  // Events are lost, and the fleet was there before.
  world.lambda.interceptor = async () => ({});
  const half = Math.ceil(count / 2);
  const drifting = await settle(world, [...launchEc2(world, half), ...createLightsail(world, count - half)]);
  await clock.advance(HOUR_MILLISECONDS);
  world.apis.calls.clear();
  const close = async () => {
    world.close();
    await gateway.close();
  };
  return { world, instances: count, drifting, at: new Date(clock.now()).toISOString(), close };
}

const withHopLimit = (profile: Profile): Profile => ({
  ...profile,
  ...(profile.metadata && { metadata: { ...profile.metadata, httpPutResponseHopLimit: 2 } }),
});

interface Made {
  readonly platform: 'ec2' | 'lightsail';
  readonly name: string;
  readonly kind: Kind;
}

const kindOf = (index: number): Kind =>
  index % EVERY === 0 ? (DRIFTS[(index / EVERY) % DRIFTS.length] ?? 'untold') : 'enrolled';

function launchEc2({ autoScaling }: World, count: number): Made[] {
  const names = autoScaling.launch('web', count);
  return names.map((name, index) => ({ platform: 'ec2', name, kind: kindOf(index) }));
}

function createLightsail({ lightsail }: World, count: number): Made[] {
  const names = Array.from({ length: count }, (_, index) => `shop-${index}`);
  const place = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  lightsail.takeUp({ instanceNames: names, ...place });
  return names.map((name, index) => ({ platform: 'lightsail', name, kind: kindOf(index) }));
}

/** Gives each its metadata options and its item in the ledger. @returns how many drift */
async function settle(world: World, made: readonly Made[]): Promise<number> {
  await world.clock.advance(60_000);
  for (const { platform, name, kind } of made) await setOptions(world, platform, name, OPTIONS[kind]);
  await world.clock.advance(60_000);
  const items = made.filter(({ kind }) => kind !== 'untold').map((one) => itemOf(world, one));
  await writeItems(world.endpoint, items);
  return made.filter(({ kind }) => kind !== 'enrolled').length;
}

async function setOptions(world: World, platform: Made['platform'], name: string, options: (typeof OPTIONS)[Kind]) {
  const { httpTokens: HttpTokens, httpPutResponseHopLimit: HttpPutResponseHopLimit } = options;
  if (platform === 'lightsail')
    await perform(world.lightsail.service, 'UpdateInstanceMetadataOptions', { instanceName: name, ...options });
  else
    await perform(world.ec2.service, 'ModifyInstanceMetadataOptions', {
      ...{ InstanceId: name, HttpTokens, HttpPutResponseHopLimit },
    });
}

/** Without the port between: ten thousand requests would say nothing more. */
async function perform(service: Service, operation: string, input: object): Promise<void> {
  await operationsOf(service).get(operation)?.(input as never, { requestId: operation });
}

function itemOf(world: World, { platform, name: instanceId }: Made): LedgerItem {
  const [profile] = deployedFile().profiles.filter(
    ({ match }) => (match.lightsail === undefined) === (platform === 'ec2'),
  );
  if (!profile) throw new Error(`profiles.yml has no profile for ${platform}.`);
  const launchedAt = platform === 'ec2' ? world.ec2.instance(instanceId)?.launchTime : createdAt(world, instanceId);
  return {
    instance: ledgerKey({ platform, instanceId, region: 'eu-west-1' }),
    status: 'enrolled',
    execution: `${world.enrolNodeArn.replace(':stateMachine:', ':execution:')}:${instanceId}`,
    generation: 1,
    claimedAt: START.toISOString(),
    endedAt: START.toISOString(),
    profile: profile.name,
    profileVersion: profileVersion(profile),
    nodeName: instanceId,
    region: 'eu-west-1',
    launchTime: launchedAt?.toISOString() ?? null,
    register: profile.register ?? null,
    associate: profile.associate ?? null,
    publicKeyFingerprint: createHash('sha256').update(instanceId).digest('hex'),
  };
}

const createdAt = ({ lightsail }: World, name: string) => lightsail.instance(name)?.createdAt;

/** What the functions have: the world has put it where the build would. */
function deployedFile(): ProfilesFile {
  return JSON.parse(process.env.MUSTER_PROFILES ?? '') as ProfilesFile;
}

async function writeItems(endpoint: string, items: readonly LedgerItem[]): Promise<void> {
  const client = new DynamoDBClient({ endpoint, region: 'eu-west-1' });
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const table = process.env.LEDGER_TABLE ?? '';
  for (let from = 0; from < items.length; from += ITEMS_PER_CALL) {
    const puts = items.slice(from, from + ITEMS_PER_CALL).map((Item) => ({ PutRequest: { Item } }));
    await documents.send(new BatchWriteCommand({ RequestItems: { [table]: puts } }));
  }
  client.destroy();
}
