// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the framework's variable
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { faultsOfParameters, faultsOfStage, profilesFileOf, stageOf } from '../../../stack/stage.ts';

const PARAMETERS = `default:
  alertEmail: ''
  logRetentionInDays: 30
  subnetIds: ''
  securityGroupIds: ''
  sweepSchedule: rate(1 hour)
  sweepState: ENABLED
  reportDays: 400
dev: {}
prod:
  logRetentionInDays: 365
`;

function folderWith(files: Record<string, string>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-stage-')));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const faults = (text: string, ...args: string[]) => faultsOfParameters(folderWith({ 'parameters.yml': text }), args);

describe('the stage', () => {
  it.each([
    [['--stage', 'prod'], 'prod'],
    [['--region', 'eu-west-1', '--stage=prod'], 'prod'],
    [['-s', 'prod'], 'prod'],
    [[], 'dev'],
  ])('of the arguments %j is %s', (args, stage) => {
    expect(stageOf(args)).toBe(stage);
  });

  it('has profiles of its own where there is a file for it, and else those of all', () => {
    const folder = folderWith({ 'profiles.yml': '', 'profiles.prod.yml': '' });
    expect(profilesFileOf(folder, 'prod')).toBe('profiles.prod.yml');
    expect(profilesFileOf(folder, 'dev')).toBe('profiles.yml');
  });
});

describe("the stage's name", () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const refusal = (stage: string) => faultsOfStage(root, ['--stage', stage]).join('\n');

  it.each(['dev', 'prod', 'pr-1234', 'eu2'])('may be %s', (stage) => {
    expect(refusal(stage)).toBe('');
  });

  it.each([
    ['My_Stage', 'my-stage'],
    ['Prod', 'prod'],
    ['a--b', 'a-b'],
    ['dev-', 'dev'],
    ['2prod', 'prod'],
    ['a.b', 'a-b'],
    ['_', 'dev'],
  ])('is not %s', (stage, instead) => {
    const how = 'small letters, digits and single hyphens, from a letter to a letter or a digit';
    expect(refusal(stage)).toBe(`--stage ${stage}: a stage's name is ${how}: write ${instead}.`);
  });

  it('leaves room for the longest name that it is a part of', () => {
    const yaml = (file: string) => parse(readFileSync(join(root, file), 'utf8'), { merge: true });
    const functions = Object.keys(yaml('resources/functions.yml')).map((name) => `muster-\${sls:stage}-${name}`);
    const rules = Object.values<{ Properties: { Name?: string } }>(yaml('resources/events.yml').Resources);
    const names = [...functions, ...rules.flatMap(({ Properties }) => Properties.Name ?? [])];
    const room = 64 - Math.max(...names.map((name) => name.replace('${sls:stage}', '').length));
    expect(refusal('a'.repeat(room))).toBe('');
    expect(refusal('a'.repeat(room + 1))).toMatch(
      new RegExp(
        `^--stage a+: it has ${room + 1} characters, and the name at \\S+\\.yml:\\d+ leaves it ${room}: shorten it\\.$`,
      ),
    );
  });

  it('leaves room for the names of rules and state machines', () => {
    const service = [
      'service: muster',
      'provider: { timeout: 10, environment: {} }',
      'functions: {}',
      'resources: ["${file(resources/a.yml)}"]',
    ];
    const folder = folderWith({ 'serverless.yml': service.join('\n') });
    for (const name of ['resources', 'statemachines']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'resources/functions.yml'), 'x: { description: X }\n');
    const name = `\${sls:stage}-${'x'.repeat(76)}`;
    const machine = `Resources:\n  A:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      StateMachineName: ${name}\n`;
    writeFileSync(join(folder, 'resources/a.yml'), machine);
    expect(faultsOfStage(folder, ['--stage', 'pro'])).toEqual([]);
    expect(faultsOfStage(folder, ['--stage', 'prod'])).toEqual([
      '--stage prod: it has 4 characters, and the name at resources/a.yml:5 leaves it 3: shorten it.',
    ]);
  });
});

describe('the parameters', () => {
  it.each([['dev'], ['prod']])('of %s are complete', (stage) => {
    expect(faults(PARAMETERS, '--stage', stage)).toEqual([]);
  });

  it('of a stage that has no block stop the build', () => {
    const fault = 'parameters.yml:10: there is no stage staging here: add "staging: {}" below dev, prod.';
    expect(faults(PARAMETERS, '--stage', 'staging')).toEqual([fault]);
    expect(faults(PARAMETERS, '--stage', 'default')).toHaveLength(1);
  });

  it.each([
    ['alertEmail: somebody', 'parameters.yml:12: alertEmail is "somebody": it is an e-mail address, or empty.'],
    ['subnetIds: vpc-1', 'parameters.yml:12: subnetIds is "vpc-1": it is subnet-… with commas between, or empty.'],
    ['sweepSchedule: hourly', 'parameters.yml:12: sweepSchedule is "hourly": it is rate(…) or cron(…).'],
    ['sweepSchedule: rate(2 hour)', 'parameters.yml:12: sweepSchedule is "rate(2 hour)": write rate(2 hours).'],
    ['sweepState: off', 'parameters.yml:12: sweepState is "off": it is ENABLED or DISABLED.'],
    ['reportDays: 0', 'parameters.yml:12: reportDays is 0: it is one day or more.'],
    ['alertMail: a@b', 'parameters.yml:12: there is no parameter alertMail: write alertEmail, or remove it.'],
    [
      'colour: red',
      'parameters.yml:12: there is no parameter colour: remove it; there are alertEmail, logRetentionInDays, subnetIds, securityGroupIds, sweepSchedule, sweepState, reportDays.',
    ],
    ['alertEmail: null', 'parameters.yml:12: alertEmail is null: it is an e-mail address, or empty.'],
    ['alertEmail: 5', 'parameters.yml:12: alertEmail is 5: it is an e-mail address, or empty.'],
    [
      'subnetIds: [subnet-0a]',
      'parameters.yml:12: subnetIds is ["subnet-0a"]: it is subnet-… with commas between, or empty.',
    ],
    ['sweepSchedule: 1', 'parameters.yml:12: sweepSchedule is 1: it is rate(…) or cron(…).'],
    ['sweepState: null', 'parameters.yml:12: sweepState is null: it is ENABLED or DISABLED.'],
    ['reportDays: long', 'parameters.yml:12: reportDays is "long": it is a number of whole days.'],
    ['reportDays: [400]', 'parameters.yml:12: reportDays is [400]: it is a number of whole days.'],
    ['reportDays: null', 'parameters.yml:12: reportDays is null: it is a number of whole days.'],
    [
      'subnetIds: subnet-0a',
      'parameters.yml:5: securityGroupIds is empty, and the other is not: give both, or neither.',
    ],
  ])('with %s are refused where they stand', (line, fault) => {
    expect(faults(`${PARAMETERS}  ${line}\n`, '--stage', 'prod')).toContain(fault);
  });

  it.each([
    ['prod:', 'parameters.yml:10: prod has no parameters: write "prod: {}", or parameters below it.'],
    ['prod: []', 'parameters.yml:10: prod has no parameters: write "prod: {}", or parameters below it.'],
    ['dev:\n\nprod: {}', 'parameters.yml:9: dev has no parameters: write "dev: {}", or parameters below it.'],
  ])('of a stage that is %j are refused, whichever is packaged', (block, fault) => {
    const text = PARAMETERS.slice(0, PARAMETERS.indexOf(block.startsWith('dev') ? 'dev:' : 'prod:'));
    expect(faults(`${text}${block}\n`)).toEqual([fault]);
  });

  it.each(['', '- dev\n', 'dev\n'])('are refused where the file has no stages: %j', (text) => {
    expect(faults(text)).toEqual([
      'parameters.yml:1: it has no stages: write "default:" with all parameters below it, and "dev: {}".',
    ]);
  });

  it('of a stage that is called as something of JavaScript are looked for all the same', () => {
    expect(faults(PARAMETERS, '--stage', 'constructor')).toEqual([expect.stringContaining('no stage constructor')]);
  });

  it('that are missing are named', () => {
    const without = PARAMETERS.replace("  alertEmail: ''\n", '');
    expect(faults(without, '--stage', 'prod')).toEqual(['parameters.yml:1: alertEmail has no value: give it one.']);
  });

  it('can be given for once, and are looked at all the same', () => {
    const given = ['--param', 'subnetIds=subnet-0a,subnet-0b', '--param=securityGroupIds=sg-0c'];
    expect(faults(PARAMETERS, ...given)).toEqual([]);
    expect(faults(PARAMETERS, '--param', 'logRetentionInDays=31')).toEqual([
      expect.stringMatching(/^--param logRetentionInDays=31: logRetentionInDays is "31": CloudWatch Logs keeps lines/),
    ]);
  });
});
