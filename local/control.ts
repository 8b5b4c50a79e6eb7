import * as z from 'zod';
import { InvalidRequest } from '../lib/errors.ts';
import { parse } from '../lib/schema-faults.ts';
import { REGION } from '../world/kernel/account.ts';
import type { Clock } from '../world/kernel/clock.ts';
import type { Random } from '../world/kernel/random.ts';
import { uuid } from '../world/kernel/uuid.ts';
import type { AutoScaling } from '../world/services/auto-scaling/auto-scaling.ts';
import type { Ec2 } from '../world/services/ec2/ec2.ts';
import type { Lightsail } from '../world/services/lightsail/lightsail.ts';
import { Fault, type Faults } from '../world/wire/faults.ts';
import type { Control } from '../world/wire/listen.ts';
import { ServiceError } from '../world/wire/service.ts';

/** What can be steered from outside. */
export interface Controlled {
  readonly random: Random;
  readonly autoScaling: Pick<AutoScaling, 'launch' | 'setDesiredCapacity' | 'terminate' | 'members'>;
  readonly ec2: Pick<Ec2, 'terminate' | 'instance' | 'countMetadataNoToken'>;
  readonly lightsail: Pick<Lightsail, 'createInstances' | 'deleteInstance' | 'countMetadataNoToken'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly faults: Pick<Faults, 'set' | 'list'>;
  /** The state of every service. */
  readonly world: () => unknown;
}

const Launch = z.strictObject({
  autoScalingGroupName: z.string().min(1),
  count: z.int().min(1).max(10_000).default(1),
});
const Scale = z.strictObject({
  autoScalingGroupName: z.string().min(1),
  desiredCapacity: z.int().min(0).max(10_000),
});
const CreateLightsail = z.strictObject({
  instanceNames: z.array(z.string().min(1)).min(1),
  availabilityZone: z.string().default(`${REGION}a`),
  blueprintId: z.string().min(1).default('amazon_linux_2023'),
  bundleId: z.string().min(1).default('nano_3_0'),
  tags: z.array(z.strictObject({ key: z.string(), value: z.string().optional() })).default([]),
});
const named = { instanceId: z.string().optional(), lightsailInstanceName: z.string().optional() };
const namesOne = (body: { instanceId?: string | undefined; lightsailInstanceName?: string | undefined }) =>
  (body.instanceId === undefined) !== (body.lightsailInstanceName === undefined);
const NAME_ONE = { path: ['instanceId'], message: 'Name either instanceId or lightsailInstanceName.' };

const Terminate = z
  .strictObject({
    ...named,
    /** Whether the group becomes smaller; otherwise it replaces the instance. */
    shouldDecrementDesiredCapacity: z.boolean().default(false),
  })
  .refine(namesOne, NAME_ONE);
const ImdsV1Calls = z
  .strictObject({ ...named, count: z.int().min(1).default(1), daysAgo: z.number().min(0).default(0) })
  .refine(namesOne, NAME_ONE);

type Handler = (body: unknown) => unknown;

/**
 * The control interface of a world that serves, answered as JSON:
 *
 *   GET  /_local/world      what every service holds
 *   POST /_local/launch     {"autoScalingGroupName":"web","count":3}            -> {"instanceIds":[…]}
 *   POST /_local/scale      {"autoScalingGroupName":"web","desiredCapacity":1}  -> {"instanceIds":[…]} of what comes
 *   POST /_local/lightsail  {"instanceNames":["blog-1"]}                        -> {"operations":[…]}
 *   POST /_local/terminate  {"instanceId":"i-…"} or {"lightsailInstanceName":"blog-1"}
 *   POST /_local/imdsv1-calls {"instanceId":"i-…","count":3,"daysAgo":2}: it answered so many calls without a token
 *   GET  /_local/faults     the faults in force; PUT replaces them
 *
 * A refused request is answered with 400, 404 or 405 and {"message": a sentence}.
 */
export function createControl(controlled: Controlled): Control {
  const routes = routesOf(controlled);
  return async (method, path, body) => {
    const route = routes[path];
    if (!route) return refusal(404, `There is no ${path}. There is ${Object.keys(routes).join(', ')}.`);
    const handler = route[method];
    if (!handler) return refusal(405, `${path} takes ${Object.keys(route).join(' or ')}, not ${method}.`);
    try {
      return { status: 200, body: await handler(body) };
    } catch (error) {
      if (error instanceof ServiceError || error instanceof InvalidRequest) return refusal(400, error.message);
      throw error;
    }
  };
}

function routesOf(controlled: Controlled): Readonly<Record<string, Readonly<Record<string, Handler>>>> {
  const { autoScaling, lightsail, faults, random, world } = controlled;
  return {
    '/_local/world': { GET: world },
    '/_local/launch': {
      POST: (body) => {
        const { autoScalingGroupName, count } = read(Launch, body);
        return { instanceIds: autoScaling.launch(autoScalingGroupName, count) };
      },
    },
    '/_local/scale': {
      POST: (body) => {
        const { autoScalingGroupName, desiredCapacity } = read(Scale, body);
        return { instanceIds: autoScaling.setDesiredCapacity(autoScalingGroupName, desiredCapacity) };
      },
    },
    '/_local/lightsail': {
      POST: (body) => lightsail.createInstances(read(CreateLightsail, body), { requestId: uuid(random) }),
    },
    '/_local/terminate': { POST: (body) => terminate(controlled, read(Terminate, body)) },
    '/_local/imdsv1-calls': { POST: (body) => countCalls(controlled, read(ImdsV1Calls, body)) },
    '/_local/faults': {
      GET: () => faults.list(),
      PUT: (body) => {
        faults.set(readFaults(body));
        return faults.list();
      },
    },
  };
}

function read<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  return parse(schema, body, { subject: 'it', preface: 'The body is not what this path takes:' });
}

/** Each fault by itself, so that the sentence names the faulty one. */
function readFaults(body: unknown): Fault[] {
  if (!Array.isArray(body)) throw new InvalidRequest('The faults must be a JSON list of objects, one for each fault.');
  return body.map((fault, index) =>
    parse(Fault, fault, { subject: 'it', preface: `Fault ${index + 1} cannot be set:` }),
  );
}

async function terminate(controlled: Controlled, body: z.infer<typeof Terminate>): Promise<unknown> {
  const { autoScaling, ec2, lightsail, random } = controlled;
  const { instanceId, lightsailInstanceName, shouldDecrementDesiredCapacity } = body;
  if (lightsailInstanceName !== undefined)
    return await lightsail.deleteInstance({ instanceName: lightsailInstanceName }, { requestId: uuid(random) });
  if (instanceId === undefined) return undefined;
  if (autoScaling.members.get(instanceId)) autoScaling.terminate(instanceId, shouldDecrementDesiredCapacity);
  else ec2.terminate(instanceId);
  return { instanceId, state: ec2.instance(instanceId)?.state };
}

function countCalls(
  { clock, ec2, lightsail }: Controlled,
  { instanceId, lightsailInstanceName, count, daysAgo }: z.infer<typeof ImdsV1Calls>,
): unknown {
  const instant = clock.now() - daysAgo * 24 * 3600 * 1000;
  if (lightsailInstanceName !== undefined) lightsail.countMetadataNoToken(lightsailInstanceName, count, instant);
  if (instanceId !== undefined) ec2.countMetadataNoToken(instanceId, count, instant);
  return { at: new Date(instant).toISOString(), count };
}

function refusal(status: number, message: string) {
  return { status, body: { message } };
}
