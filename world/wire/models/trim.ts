/**
 * Makes the service models of this folder from botocore's: `node world/wire/models/trim.ts DATA_FOLDER…`.
 * A data folder is botocore's `data`; the first that knows a service gives its model.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

type Json = Record<string, unknown>;
interface FullModel {
  metadata: Json;
  operations: Record<string, { input?: Json; output?: Json; errors?: { shape: string }[] }>;
  shapes: Record<string, Json>;
}

const operations: Record<string, { folder: string; names: string }> = {
  opsworks: {
    folder: 'opsworks',
    names:
      'RegisterInstance AssignInstance UnassignInstance DescribeInstances DeregisterInstance DescribeStacks DescribeLayers',
  },
  'opsworks-cm': {
    folder: 'opsworkscm',
    names: 'AssociateNode DisassociateNode DescribeNodeAssociationStatus DescribeServers',
  },
  lightsail: {
    folder: 'lightsail',
    names:
      'CreateInstances CreateInstancesFromSnapshot DeleteInstance GetInstance GetInstances UpdateInstanceMetadataOptions GetOperation GetInstanceMetricData',
  },
  ec2: { folder: 'ec2', names: 'DescribeInstances ModifyInstanceMetadataOptions RunInstances TerminateInstances' },
  autoscaling: {
    folder: 'autoscaling',
    names:
      'CompleteLifecycleAction RecordLifecycleActionHeartbeat DescribeLifecycleHooks DescribeAutoScalingInstances DescribeAutoScalingGroups PutLifecycleHook SetDesiredCapacity TerminateInstanceInAutoScalingGroup',
  },
  ssm: { folder: 'ssm', names: 'SendCommand GetCommandInvocation DescribeInstanceInformation' },
  states: {
    folder: 'stepfunctions',
    names:
      'StartExecution DescribeExecution ListExecutions GetExecutionHistory StopExecution RedriveExecution ListStateMachines DescribeStateMachine',
  },
  secretsmanager: { folder: 'secretsmanager', names: 'GetSecretValue DescribeSecret' },
  cloudwatch: { folder: 'cloudwatch', names: 'GetMetricData' },
  events: { folder: 'events', names: 'PutEvents ListRules DescribeRule TestEventPattern' },
};

/**
 * Of the protocols that a service speaks, the one that the SDK's client chooses and that is played here: `json` for
 * CloudWatch, whose model names CBOR first.
 */
const played = { 'smithy-rpc-v2-cbor': 'json' } as Record<string, string>;

/**
 * Where the service is known to take more than its model says. Lightsail's own console makes names of one character,
 * and its refusals say that dots are allowed.
 */
const amendments: Record<string, Record<string, Json>> = {
  lightsail: { ResourceName: { pattern: '\\w([\\w.\\-]*\\w)?' } },
};

const metadataKeys = ['apiVersion', 'jsonVersion', 'protocol', 'serviceFullName', 'targetPrefix', 'xmlNamespace'];
const shapeKeys = ['type', 'members', 'member', 'key', 'value', 'exception', 'error'];
const constraintKeys = ['required', 'min', 'max', 'pattern', 'enum'];
const referenceKeys = ['shape', 'locationName', 'queryName'];

const pick = (from: Json, keys: readonly string[]): Json =>
  Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));

function read(folders: readonly string[], service: string): FullModel {
  for (const folder of folders.map((data) => join(data, service)).filter(existsSync)) {
    const version = readdirSync(folder).sort().at(-1) ?? '';
    const file = join(folder, version, 'service-2.json');
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
    if (existsSync(`${file}.gz`)) return JSON.parse(gunzipSync(readFileSync(`${file}.gz`)).toString());
  }
  throw new Error(`No botocore model of ${service} in ${folders.join(', ') || 'no folder: name one'}.`);
}

/** The shapes that `roots` reach, themselves included. */
function reach(model: FullModel, roots: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    for (const reference of references(model.shapes[name] ?? {})) visit(reference);
  };
  roots.forEach(visit);
  return found;
}

function references(shape: Json): string[] {
  const members = Object.values((shape.members ?? {}) as Record<string, Json>);
  const items = [shape.member, shape.key, shape.value].filter((item) => item !== undefined) as Json[];
  return [...members, ...items].map((reference) => String(reference.shape));
}

function trimShape(shape: Json, isInput: boolean): Json {
  // What a service promises about its answers is the doubles' own business: only input is checked.
  const trimmed = pick(shape, isInput ? [...shapeKeys, ...constraintKeys] : shapeKeys);
  for (const key of ['member', 'key', 'value'])
    if (trimmed[key]) trimmed[key] = pick(trimmed[key] as Json, referenceKeys);
  if (trimmed.members)
    trimmed.members = Object.fromEntries(
      Object.entries(trimmed.members as Record<string, Json>).map(([name, member]) => [
        name,
        pick(member, referenceKeys),
      ]),
    );
  return trimmed;
}

function trim(model: FullModel, names: readonly string[]): Json {
  const kept = names.map((name) => {
    const operation = model.operations[name];
    if (!operation) throw new Error(`botocore's model has no operation ${name}.`);
    return [name, operation] as const;
  });
  const shapesOf = (side: 'input' | 'output') =>
    kept.flatMap(([, operation]) => operation[side]?.shape ?? []) as string[];
  const inputs = reach(model, shapesOf('input'));
  const errors = kept.flatMap(([, operation]) => operation.errors?.map((error) => error.shape) ?? []);
  const all = [...reach(model, [...shapesOf('input'), ...shapesOf('output'), ...errors])].sort();
  return {
    metadata: { ...pick(model.metadata, metadataKeys), protocol: protocolOf(model) },
    operations: Object.fromEntries(
      kept.map(([name, { input, output }]) => [
        name,
        {
          ...(input && { input: input.shape }),
          ...(output && { output: output.shape, ...pick(output, ['resultWrapper']) }),
        },
      ]),
    ),
    shapes: Object.fromEntries(all.map((name) => [name, trimShape(model.shapes[name] ?? {}, inputs.has(name))])),
  };
}

function protocolOf({ metadata: { protocol } }: FullModel): string {
  return played[String(protocol)] ?? String(protocol);
}

const folders = process.argv.slice(2);
for (const [service, { folder, names }] of Object.entries(operations)) {
  const file = join(import.meta.dirname, `${service}.json`);
  const model = read(folders, folder);
  for (const [shape, amendment] of Object.entries(amendments[service] ?? {}))
    Object.assign(model.shapes[shape] ?? {}, amendment);
  writeFileSync(file, `${JSON.stringify(trim(model, names.split(' ')))}\n`);
}
