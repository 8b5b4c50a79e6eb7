import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { wantedBy } from '../lib/schema-faults.ts';
import { nearest } from '../lib/wording.ts';
import { openYaml } from '../lib/yaml-file.ts';
import { readFunctions } from '../resources/functions.ts';
import { readService, STAGE } from '../resources/service.ts';
import { faultOfSchedule } from './schedule.ts';
import { sourcesOf } from './template/source.ts';

const FILE = 'parameters.yml';

/** The retentions that CloudWatch Logs takes, in days. Source: PutRetentionPolicy. */
const RETENTIONS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const listOf = (prefix: string) => new RegExp(`^(${prefix}-[0-9a-f]+(,${prefix}-[0-9a-f]+)*)?$`);

const DAYS = 'a number of whole days';
/** Of `--param` it comes as text. */
const days = z.union([z.int(), z.stringFormat(DAYS, /^\d+$/)], `it is ${DAYS}`).transform(Number);

/** What a stage may say, and what its values look like. */
const Parameters = z.strictObject({
  alertEmail: z.stringFormat('an e-mail address, or empty', /^([^@\s]+@[^@\s]+)?$/),
  logRetentionInDays: days.refine(
    (number) => RETENTIONS.includes(number),
    `CloudWatch Logs keeps lines for ${RETENTIONS.join(', ')} days`,
  ),
  subnetIds: z.stringFormat('subnet-… with commas between, or empty', listOf('subnet')),
  securityGroupIds: z.stringFormat('sg-… with commas between, or empty', listOf('sg')),
  sweepSchedule: z.string('it is rate(…) or cron(…)').superRefine((text, context) => {
    const message = faultOfSchedule(text);
    if (message) context.addIssue({ code: 'custom', message });
  }),
  sweepState: z.enum(['ENABLED', 'DISABLED'], 'it is ENABLED or DISABLED'),
  reportDays: days.refine((number) => number >= 1, 'it is one day or more'),
});

/** The stage that the Serverless Framework's arguments name. */
export function stageOf(args: readonly string[]): string {
  return argument(args, ['--stage', '-s'])[0] ?? 'dev';
}

/** `muster-STAGE-NAME`. Source: Lambda, CreateFunction. */
const LONGEST_FUNCTION_NAME = 64;

/** The properties that have the stage in them, and how long AWS lets them be, by the resource's type. */
const LONGEST: Readonly<Record<string, readonly [property: string, characters: number]>> = {
  'AWS::Events::Rule': ['Name', 64],
  'AWS::StepFunctions::StateMachine': ['StateMachineName', 80],
  'AWS::SQS::Queue': ['QueueName', 80],
};

/**
 * Looks at the stage's own name, before anything is built: it is a part of most others.
 * @param root the folder of serverless.yml
 * @returns a sentence, if there is a fault
 */
export function faultsOfStage(root: string, args: readonly string[]): string[] {
  const stage = stageOf(args);
  const small = stage.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(stage)) {
    const how = `small letters, digits and single hyphens, from a letter to a letter or a digit`;
    return [`--stage ${stage}: a stage's name is ${how}: write ${small.replace(/^[^a-z]+|-$/g, '') || 'dev'}.`];
  }
  const [tightest] = namesWithStage(root).toSorted((a, b) => a.room - b.room);
  if (!tightest || stage.length <= tightest.room) return [];
  const { place, room } = tightest;
  return [
    `--stage ${stage}: it has ${stage.length} characters, and the name at ${place} leaves it ${room}: shorten it.`,
  ];
}

/** Every name that the stage is a part of, and how many characters it may have there. */
function namesWithStage(root: string): { place: string; room: number }[] {
  const where = sourcesOf(root);
  const { table, yaml } = readFunctions(root);
  const functions = Object.keys(table).map((name) => {
    return { place: yaml.placeOf([name]), room: LONGEST_FUNCTION_NAME - `muster--${name}`.length };
  });
  const written = readService(root).resources.flatMap(({ Resources }) =>
    Object.entries(Resources).flatMap(([id, { Type, Properties }]) => {
      const [property = '', longest = 0] = LONGEST[Type] ?? [];
      const name = Properties[property];
      if (typeof name !== 'string' || !name.includes(STAGE)) return [];
      const place = where(['Resources', id, 'Properties', property]) ?? id;
      return { place, room: longest - name.replaceAll(STAGE, '').length };
    }),
  );
  return [...functions, ...written];
}

/** `profiles.STAGE.yml` where it exists, or else `profiles.yml`: one file says it all, never both. */
export function profilesFileOf(root: string, stage: string): string {
  const own = `profiles.${stage}.yml`;
  return existsSync(join(root, own)) ? own : 'profiles.yml';
}

/**
 * Looks at what the stage is given, before anything is built.
 * @param args those of the Serverless Framework: `--stage`, `--param name=value`
 * @returns one sentence for each fault: file, line and what to do
 */
export function faultsOfParameters(root: string, args: readonly string[]): string[] {
  const stage = stageOf(args);
  const yaml = openYaml(join(root, FILE), FILE);
  const { data: blocks, error } = Blocks.safeParse(yaml.content());
  if (error) return error.issues.map(({ path }) => `${yaml.placeOf(path)}: ${blockFault(path[0])}.`);
  const unknown = unknownStageFaults(root, args);
  if (unknown.length > 0) return unknown;
  const given = Object.fromEntries(argument(args, ['--param']).map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
  const all = { ...blocks.default, ...blocks[stage], ...given };
  const placeOf = (name: string) => {
    if (Object.hasOwn(given, name)) return `--param ${name}=${given[name]}`;
    return yaml.placeOf([Object.hasOwn(blocks[stage] ?? {}, name) ? stage : 'default', name]);
  };
  return [...valueFaults(all, placeOf), ...subnetFaults(all, placeOf)];
}

/** @returns a sentence where parameters.yml has no such stage; none where it has no stages at all */
export function unknownStageFaults(root: string, args: readonly string[]): string[] {
  const stage = stageOf(args);
  const yaml = openYaml(join(root, FILE), FILE);
  const { data: blocks } = Blocks.safeParse(yaml.content());
  if (!blocks || (Object.hasOwn(blocks, stage) && stage !== 'default')) return [];
  const stages = Object.keys(blocks).filter((name) => name !== 'default');
  return [
    `${yaml.placeOf([stages.at(-1) ?? ''])}: there is no stage ${stage} here: add "${stage}: {}" below ${stages.join(', ')}.`,
  ];
}

const Blocks = z.record(z.string(), z.record(z.string(), z.unknown()));

/** @param stage whose block is none; undefined where there are no blocks at all */
function blockFault(stage: PropertyKey | undefined): string {
  return stage === undefined
    ? 'it has no stages: write "default:" with all parameters below it, and "dev: {}"'
    : `${String(stage)} has no parameters: write "${String(stage)}: {}", or parameters below it`;
}

type PlaceOf = (name: string) => string;

function valueFaults(all: Record<string, unknown>, placeOf: PlaceOf): string[] {
  const issues = Parameters.safeParse(all, { error: (issue) => `it is ${wantedBy(issue)}` }).error?.issues ?? [];
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${placeOf(key)}: there is no parameter ${key}: ${instead(key)}.`);
    const name = String(issue.path[0]);
    if (!Object.hasOwn(all, name)) return [`${placeOf(name)}: ${name} has no value: give it one.`];
    return [`${placeOf(name)}: ${name} is ${JSON.stringify(all[name])}: ${issue.message}.`];
  });
}

function instead(parameter: string): string {
  const names = Object.keys(Parameters.shape);
  const meant = nearest(parameter, names);
  return meant ? `write ${meant}, or remove it` : `remove it; there are ${names.join(', ')}`;
}

/** Lambda takes both or neither. */
function subnetFaults({ subnetIds, securityGroupIds }: Record<string, unknown>, placeOf: PlaceOf): string[] {
  if (Boolean(subnetIds) === Boolean(securityGroupIds)) return [];
  const missing = subnetIds ? 'securityGroupIds' : 'subnetIds';
  return [`${placeOf(missing)}: ${missing} is empty, and the other is not: give both, or neither.`];
}

function argument(args: readonly string[], names: readonly string[]): string[] {
  return args.flatMap((arg, index) => {
    const [name = '', value] = arg.split(/=(.*)/s);
    if (!names.includes(name)) return [];
    return [value ?? args[index + 1] ?? ''];
  });
}
