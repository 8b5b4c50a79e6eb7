/**
 * Makes the service models of this folder, and operations.ts, from botocore's: README.md says how to get its two versions.
 *
 *   node world/wire/models/trim.ts BOTOCORE_FOLDER…              the recorded versions only
 *   node world/wire/models/trim.ts --any-version BOTOCORE_FOLDER…   whichever version; record it in VERSIONS afterwards
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { program } from 'commander';

/** The versions of botocore that the committed models come from. OpsWorks has left the newer one. */
const VERSIONS = { current: '1.43.107', withOpsWorks: '1.29.27' } as const;

type Json = Record<string, unknown>;
interface Source {
  readonly model: FullModel;
  /** `botocore 1.43.107, ec2/2016-11-15/service-2.json`. */
  readonly name: string;
}
interface FullModel {
  metadata: Json;
  operations: Record<string, { input?: Json; output?: Json; errors?: { shape: string }[] }>;
  shapes: Record<string, Json>;
}

interface Served {
  /** botocore's name for the service. */
  readonly folder: string;
  readonly version: string;
  readonly names: string;
}

const served: Record<string, Served> = {
  opsworks: {
    folder: 'opsworks',
    version: VERSIONS.withOpsWorks,
    names:
      'RegisterInstance AssignInstance UnassignInstance DescribeInstances DeregisterInstance DescribeStacks DescribeLayers',
  },
  'opsworks-cm': {
    folder: 'opsworkscm',
    version: VERSIONS.withOpsWorks,
    names: 'AssociateNode DisassociateNode DescribeNodeAssociationStatus DescribeServers',
  },
  lightsail: {
    folder: 'lightsail',
    version: VERSIONS.current,
    names:
      'CreateInstances CreateInstancesFromSnapshot DeleteInstance GetInstance GetInstances UpdateInstanceMetadataOptions GetOperation GetInstanceMetricData',
  },
  ec2: {
    folder: 'ec2',
    version: VERSIONS.current,
    names:
      'DescribeInstances ModifyInstanceMetadataOptions RunInstances TerminateInstances CreateReplaceRootVolumeTask DescribeReplaceRootVolumeTasks',
  },
  autoscaling: {
    folder: 'autoscaling',
    version: VERSIONS.current,
    names:
      'CompleteLifecycleAction RecordLifecycleActionHeartbeat DescribeLifecycleHooks DescribeAutoScalingInstances DescribeAutoScalingGroups DescribeWarmPool PutLifecycleHook SetDesiredCapacity TerminateInstanceInAutoScalingGroup AttachInstances EnterStandby ExitStandby StartInstanceRefresh',
  },
  ssm: {
    folder: 'ssm',
    version: VERSIONS.current,
    names: 'SendCommand GetCommandInvocation DescribeInstanceInformation',
  },
  states: {
    folder: 'stepfunctions',
    version: VERSIONS.current,
    names:
      'StartExecution DescribeExecution ListExecutions GetExecutionHistory StopExecution RedriveExecution ListStateMachines DescribeStateMachine',
  },
  secretsmanager: { folder: 'secretsmanager', version: VERSIONS.current, names: 'GetSecretValue DescribeSecret' },
  cloudwatch: { folder: 'cloudwatch', version: VERSIONS.current, names: 'GetMetricData' },
  events: { folder: 'events', version: VERSIONS.current, names: 'PutEvents ListRules DescribeRule TestEventPattern' },
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

/** A folder of botocore (the one that holds `data` and `__init__.py`), by its version. */
function versionOf(folder: string): string {
  const file = join(folder, '__init__.py');
  if (!existsSync(file)) throw new Error(`${folder} is not botocore's folder: it has no __init__.py.`);
  const [, version] = /^__version__ = ['"]([\d.]+)['"]/m.exec(readFileSync(file, 'utf8')) ?? [];
  if (version === undefined) throw new Error(`${file} states no __version__.`);
  return version;
}

function read(botocores: ReadonlyMap<string, string>, { folder, version }: Served, isAnyVersion: boolean): Source {
  const usable = [...botocores].filter(([found]) => isAnyVersion || found === version);
  for (const [found, botocore] of usable) {
    const service = join(botocore, 'data', folder);
    if (!existsSync(service)) continue;
    const apiVersion = readdirSync(service).sort().at(-1) ?? '';
    const file = join(service, apiVersion, 'service-2.json');
    const text = existsSync(file) ? readFileSync(file) : gunzipSync(readFileSync(`${file}.gz`));
    return { model: JSON.parse(text.toString()), name: `botocore ${found}, ${folder}/${apiVersion}/service-2.json` };
  }
  const given = [...botocores.keys()].join(', ') || 'none';
  throw new Error(
    `The model of ${folder} was trimmed from botocore ${version}, and the versions given are ${given}. Give that version, or trim from another with --any-version.`,
  );
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

function trim({ model, name: source }: Source, names: readonly string[]): Json {
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
    metadata: { source, ...pick(model.metadata, metadataKeys), protocol: protocolOf(model) },
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

/** A module of the operations' names, from which the types of the doubles follow. */
function operationsModule(): string {
  const lists = Object.entries(served).map(([service, { names }]) => {
    const key = /^\w+$/.test(service) ? service : `'${service}'`;
    return `  ${key}: [\n${names
      .split(' ')
      .map((name) => `    '${name}',\n`)
      .join('')}  ],\n`;
  });
  return `/** Generated by trim.ts: the operations of the models beside it, by service. */\nexport const OPERATIONS = {\n${lists.join('')}} as const;\n`;
}

program
  .description(
    "Makes the service models and operations.ts of this folder from botocore's: README.md says how to get it.",
  )
  .argument('<folders...>', "botocore's folders")
  .option('--any-version', 'takes whichever version; record it in VERSIONS afterwards', false)
  .parse();
const { anyVersion } = program.opts<{ anyVersion: boolean }>();
const botocores = new Map(program.args.map((folder) => [versionOf(folder), folder]));
const models = Object.entries(served).map(([service, wanted]) => {
  const source = read(botocores, wanted, anyVersion);
  for (const [shape, amendment] of Object.entries(amendments[service] ?? {}))
    Object.assign(source.model.shapes[shape] ?? {}, amendment);
  return { service, text: JSON.stringify(trim(source, wanted.names.split(' '))) };
});
for (const { service, text } of models) writeFileSync(join(import.meta.dirname, `${service}.json`), `${text}\n`);
const operations = join(import.meta.dirname, 'operations.ts');
writeFileSync(operations, operationsModule());
execFileSync('npx', ['biome', 'format', '--write', operations], { stdio: 'inherit' });
