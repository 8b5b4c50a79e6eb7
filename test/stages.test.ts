/** Two stages in one account, of which one's name begins with the other's: neither may reach what is the other's. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT_ID, arnOf, isLike, resolved, Template } from '../stack/template/values.ts';
import { packageStack } from './support/packaged.ts';

const STAGES = ['prod', 'prod-eu'] as const;
type Stage = (typeof STAGES)[number];

/** How the ARN of a resource goes on after its service, where CloudFormation gives the name. */
const GENERATED: Readonly<Record<string, (name: string) => string>> = {
  'AWS::DynamoDB::Table': (name) => `arn:aws:dynamodb:eu-west-1:${ACCOUNT_ID}:table/${name}`,
  'AWS::S3::Bucket': (name) => `arn:aws:s3:::${name}`,
  'AWS::SSM::Document': (name) => `arn:aws:ssm:eu-west-1:${ACCOUNT_ID}:document/${name}`,
  'AWS::SSM::Parameter': (name) => `arn:aws:ssm:eu-west-1:${ACCOUNT_ID}:parameter/${name}`,
  'AWS::IAM::Role': (name) => `arn:aws:iam::${ACCOUNT_ID}:role/${name}`,
};

/** What stands below a resource, as requests and events name it. */
const BELOW: readonly [of: RegExp, below: (arn: string) => string][] = [
  [/:stateMachine:/, (arn) => `${arn.replace(':stateMachine:', ':execution:')}:an-execution`],
  [/:log-group:/, (arn) => `${arn}:log-stream:a-stream`],
  [/:s3:::/, (arn) => `${arn}/reports/latest.json`],
  [/:table\//, (arn) => `${arn}/index/an-index`],
];

const templates = new Map<Stage, Template>();
beforeAll(async () => {
  for (const stage of STAGES) {
    const change = (folder: string) => appendFileSync(join(folder, 'parameters.yml'), '\nprod-eu: {}\n');
    const { template } = await packageStack(change, stage);
    templates.set(stage, Template.parse(template));
  }
}, 240_000);

function templateOf(stage: Stage): Template {
  return templates.get(stage) ?? Template.parse({ Resources: {} });
}

/** `muster-prod-Ledger-1A2B3C4D5E6F`. Source: CloudFormation, Name type. */
function generatedName(stage: Stage, logicalId: string): string {
  return `muster-${stage}-${logicalId}-1A2B3C4D5E6F`;
}

/** Without placeholders for what CloudFormation names. */
function deployed(value: unknown, stage: Stage): unknown {
  const { Resources } = templateOf(stage);
  const text = JSON.stringify(resolved(value, templateOf(stage)))
    .replaceAll(/<(\w+)>/g, (_all, id) => generatedName(stage, id))
    .replaceAll(/<(\w+)\.Arn>/g, (_all, id) => {
      const arn = GENERATED[Resources[id]?.Type ?? '']?.(generatedName(stage, id));
      return arn ?? generatedName(stage, id);
    });
  return JSON.parse(text);
}

/** The ARNs and names of everything in a stage. */
function namesIn(stage: Stage): string[] {
  const template = templateOf(stage);
  const arns = Object.entries(template.Resources).map(([id, { Type }]) => {
    const generated = GENERATED[Type];
    return generated ? generated(generatedName(stage, id)) : String(deployed(arnOf(id, template), stage));
  });
  const below = arns.flatMap((arn) => BELOW.filter(([of]) => of.test(arn)).map(([, name]) => name(arn)));
  const all = [...arns, ...below];
  return [...new Set([...all, ...all.map((arn) => arn.replace(/^.*[:/]/, ''))])].filter((name) =>
    name.includes('muster-'),
  );
}

/** Every text of a policy or a pattern; prefixes as patterns. A bare `*` is for services that name no resource. */
function patternsIn(value: unknown): string[] {
  if (typeof value === 'string') return value === '*' ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) =>
    key === 'prefix' && typeof below === 'string' ? [`${below}*`] : patternsIn(below),
  );
}

/** The texts by which a resource decides who reaches what. */
function grantsOf({ Type, Properties }: Template['Resources'][string], stage: Stage): string[] {
  const { Policies, AssumeRolePolicyDocument, PolicyDocument, EventPattern, SourceArn, Principal } = Properties;
  const isPermission = Type === 'AWS::Lambda::Permission';
  const decisive = { Policies, AssumeRolePolicyDocument, PolicyDocument, EventPattern, SourceArn };
  return patternsIn(deployed(isPermission ? { SourceArn, Principal } : decisive, stage));
}

describe.each([
  ['prod', 'prod-eu'],
  ['prod-eu', 'prod'],
] as const)('the stage %s beside %s', (own, other) => {
  it('names its resources and the other’s apart', () => {
    const [ours, theirs] = [namesIn(own), namesIn(other)];
    expect(ours.length).toBeGreaterThan(150);
    expect(ours.filter((name) => theirs.includes(name))).toEqual([]);
  });

  it('has no role, policy, permission or rule that matches a name of the other', () => {
    const theirs = namesIn(other);
    const { Resources } = templateOf(own);
    const matches = Object.entries(Resources).flatMap(([id, resource]) =>
      grantsOf(resource, own).flatMap((pattern) => {
        const reached = theirs.find((name) => isLike(name, pattern));
        return reached === undefined ? [] : [`${id}: ${pattern} matches ${reached}`];
      }),
    );
    expect(matches).toEqual([]);
  });

  it('has roles and rules that match names of its own', () => {
    const ours = namesIn(own);
    const patterns = new Set(Object.values(templateOf(own).Resources).flatMap((resource) => grantsOf(resource, own)));
    const reached = (name: string) => [...patterns].some((pattern) => isLike(name, pattern));
    for (const kind of [':function:', ':execution:', ':stateMachine:', ':table/', ':log-group:', ':s3:::', ':rule/'])
      expect(ours.filter((name) => name.includes(kind) && reached(name))).not.toEqual([]);
  });
});
