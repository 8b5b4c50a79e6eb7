/**
 * `npm run deploy:check`: deploys what `npm run package` has made into a local AWS (moto_server, where it is installed), as
 * the Serverless Framework deploys: a stack with a bucket, the functions' code in it, then the whole template. What the
 * services then say that they have is compared with the template.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { EventBridgeClient, ListRulesCommand, ListTargetsByRuleCommand } from '@aws-sdk/client-eventbridge';
import { LambdaClient, paginateListFunctions } from '@aws-sdk/client-lambda';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ListStateMachinesCommand, SFNClient } from '@aws-sdk/client-sfn';
import { program } from 'commander';
import * as z from 'zod';
import { ofType, resolved, Template } from './template/values.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const packaged = join(root, '.serverless');
const REGION = 'eu-west-1';
const STACK = 'muster-check';
const CODE_STACK = 'muster-check-code';

/** What moto does not make of a template; a dashboard it makes, but not one that refers to alarms. */
const NOT_MADE = [
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Logs::QueryDefinition',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
];

program
  .name('npm run deploy:check --')
  .description('Deploys the package into a local moto server and compares what exists there with the template.')
  .parse();

try {
  await check();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function check(): Promise<void> {
  const port = await freePort();
  const server = await start(port);
  if (!server) {
    console.warn('SKIPPED: moto_server is not installed, and nothing was deployed (pip install "moto[server]").');
    return;
  }
  try {
    const endpoint = `http://127.0.0.1:${port}`;
    await answering(endpoint, server);
    await deployInto({ endpoint, region: REGION, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } });
  } finally {
    server.kill();
  }
}

interface Account {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
}

/**
 * The framework makes a stack with a bucket alone and adds everything else to it. moto cannot add what refers to something
 * that is added with it, so here the bucket with the code has a stack of its own.
 */
async function deployInto(account: Account): Promise<void> {
  const template = Template.parse(JSON.parse(readPackaged('cloudformation-template-update-stack.json')));
  const client = new CloudFormationClient(account);
  const TemplateBody = readPackaged('cloudformation-template-create-stack.json');
  await client.send(new CreateStackCommand({ StackName: CODE_STACK, TemplateBody }));
  await finished(client, CODE_STACK);
  const [bucket] = (await resourcesOf(client, CODE_STACK)).filter(({ type }) => type === 'AWS::S3::Bucket');
  if (!bucket) throw new Error(`${CODE_STACK} has no bucket for the code: the framework's first template makes one.`);
  await upload(account, bucket.id, template);
  const TemplateURL = `https://${bucket.id}.s3.amazonaws.com/template.json`;
  const Capabilities = ['CAPABILITY_IAM' as const, 'CAPABILITY_NAMED_IAM' as const];
  await client.send(new CreateStackCommand({ StackName: STACK, TemplateURL, Capabilities }));
  await finished(client, STACK);
  await compare(template, await resourcesOf(client, STACK), account);
}

/** Puts the code of every function, and the template, where they are looked for. */
async function upload(account: Account, Bucket: string, template: Template): Promise<void> {
  const s3 = new S3Client({ ...account, forcePathStyle: true });
  const put = (Key: string, Body: Buffer | string) => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
  const deployed = structuredClone(template);
  for (const [name, { Type }] of Object.entries(deployed.Resources))
    if (NOT_MADE.includes(Type)) delete deployed.Resources[name];
  for (const [, { Properties }] of ofType(deployed, 'AWS::Lambda::Function')) {
    const { S3Key } = z.object({ S3Key: z.string() }).parse(Properties.Code);
    Properties.Code = { S3Bucket: Bucket, S3Key };
    await put(S3Key, readFileSync(join(packaged, S3Key.slice(S3Key.lastIndexOf('/') + 1))));
  }
  await put('template.json', JSON.stringify(deployed));
}

async function compare(template: Template, made: readonly Made[], account: Account): Promise<void> {
  const byType = Object.groupBy(made, ({ type }) => type);
  for (const type of Object.keys(byType).sort()) console.log(`${String(byType[type]?.length).padStart(4)}  ${type}`);
  const names = new Set(made.map(({ name }) => name));
  const wanted = Object.entries(template.Resources).filter(([, { Condition }]) => Condition === undefined);
  const [beyond, within] = [true, false].map((is) => wanted.filter(([, { Type }]) => NOT_MADE.includes(Type) === is));
  const missing = (within ?? []).filter(([name]) => !names.has(name));
  const types = new Set((beyond ?? []).map(([, { Type }]) => Type));
  console.warn(`SKIPPED: ${[...types].join(', ')}: moto makes none.`);
  const faults = [
    ...missing.map(([name, { Type }]) => `${name} (${Type}) was not made.`),
    ...(await servicesFaults(template, account)),
  ];
  if (faults.length > 0) throw new Error(faults.join('\n'));
  console.log(
    `${made.length} resources exist; functions, rules with their targets, and state machines are as the template says.`,
  );
}

/** What the services themselves say that they have. */
async function servicesFaults(template: Template, account: Account): Promise<string[]> {
  const functions: string[] = [];
  for await (const { Functions = [] } of paginateListFunctions({ client: new LambdaClient(account) }, {}))
    functions.push(...Functions.map(({ FunctionName = '', MemorySize }) => `${FunctionName} (${MemorySize} MB)`));
  const { stateMachines = [] } = await new SFNClient(account).send(new ListStateMachinesCommand({}));
  const text = (value: unknown) => String(resolved(value, template));
  const named = (type: string, property: string) =>
    ofType(template, type).map(([, one]) => text(one.Properties[property]));
  return [
    ...differences(
      'function',
      functions,
      ofType(template, 'AWS::Lambda::Function').map(
        ([, { Properties }]) => `${text(Properties.FunctionName)} (${Properties.MemorySize} MB)`,
      ),
    ),
    ...differences(
      'state machine',
      stateMachines.map(({ name = '' }) => name),
      named('AWS::StepFunctions::StateMachine', 'StateMachineName'),
    ),
    ...differences('target', await targets(account), targetsWanted(template)),
  ];
}

async function targets(account: Account): Promise<string[]> {
  const client = new EventBridgeClient(account);
  const { Rules = [] } = await client.send(new ListRulesCommand({}));
  const all = Rules.map(async ({ Name = '' }) => {
    const { Targets = [] } = await client.send(new ListTargetsByRuleCommand({ Rule: Name }));
    return Targets.map(({ Id }) => `${Name} -> ${Id}`);
  });
  return (await Promise.all(all)).flat();
}

function targetsWanted(template: Template): string[] {
  return ofType(template, 'AWS::Events::Rule').flatMap(([, { Properties }]) =>
    (Properties.Targets as { Id: string }[]).map(({ Id }) => `${resolved(Properties.Name, template)} -> ${Id}`),
  );
}

function differences(what: string, found: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...wanted.filter((name) => !found.includes(name)).map((name) => `The ${what} ${name} was not made.`),
    ...found
      .filter((name) => !wanted.includes(name))
      .map((name) => `The ${what} ${name} was made, and is not in the template.`),
  ];
}

interface Made {
  readonly name: string;
  readonly type: string;
  readonly id: string;
}

async function resourcesOf(client: CloudFormationClient, StackName: string): Promise<Made[]> {
  const { StackResources = [] } = await client.send(new DescribeStackResourcesCommand({ StackName }));
  return StackResources.map(({ LogicalResourceId = '', ResourceType = '', PhysicalResourceId = '' }) => {
    return { name: LogicalResourceId, type: ResourceType, id: PhysicalResourceId };
  });
}

/** @throws Error when the stack failed */
async function finished(client: CloudFormationClient, StackName: string): Promise<void> {
  for (;;) {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }));
    if (/^(CREATE|UPDATE)_COMPLETE$/.test(stack?.StackStatus ?? '')) return;
    if (!/IN_PROGRESS/.test(stack?.StackStatus ?? ''))
      throw new Error(`${StackName} is ${stack?.StackStatus}: ${stack?.StackStatusReason ?? 'without a reason'}.`);
    await wait(200);
  }
}

function readPackaged(file: string): string {
  try {
    return readFileSync(join(packaged, file), 'utf8');
  } catch (cause) {
    throw new Error(`There is no .serverless/${file}: run \`npm run package\` first.`, { cause });
  }
}

/** @returns undefined where it is not installed */
async function start(port: number): Promise<ChildProcess | undefined> {
  const server = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const { promise, resolve } = Promise.withResolvers<ChildProcess | undefined>();
  server.once('error', () => resolve(undefined));
  server.once('spawn', () => resolve(server));
  return promise;
}

async function answering(endpoint: string, server: ChildProcess): Promise<void> {
  while (server.exitCode === null) {
    const answer = await fetch(`${endpoint}/moto-api/data.json`).catch(() => undefined);
    if (answer?.ok) return;
    await wait(200);
  }
  throw new Error(`moto_server ended with exit code ${server.exitCode} before it answered: run it by hand to see why.`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  server.close();
  if (typeof address !== 'object' || !address) throw new Error('This machine gives no free port.');
  return address.port;
}
