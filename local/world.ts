import { CreateTableCommand, DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import type { Exemption, Profile } from '../lib/profile.ts';
import type { ProfilesFile } from '../profiles/file.ts';
import { readProfilesFile } from '../profiles/file.ts';
import { keysOf } from '../services/identity/certificates.ts';
import { type AwsEvent, awsEvent } from '../world/eventbridge/aws-event.ts';
import { EventBus } from '../world/eventbridge/bus.ts';
import { ACCOUNT_ID, REGION } from '../world/kernel/account.ts';
import type { WorldClock } from '../world/kernel/clock.ts';
import type { Random } from '../world/kernel/random.ts';
import type { Rate } from '../world/kernel/token-bucket.ts';
import { uuid } from '../world/kernel/uuid.ts';
import { Fleet } from '../world/machines/fleet.ts';
import { IdentitySigner } from '../world/machines/identity.ts';
import { SimulatedNode, type SimulatedNodeOptions } from '../world/machines/node.ts';
import type { KeySource } from '../world/pki/keys.ts';
import { thriftyKeys } from '../world/pki/thrifty-keys.ts';
import { AutoScaling } from '../world/services/auto-scaling/auto-scaling.ts';
import { CloudWatch, type CloudWatchOptions } from '../world/services/cloudwatch/cloudwatch.ts';
import { Ec2, type Ec2Options } from '../world/services/ec2/ec2.ts';
import type { Ec2Instance } from '../world/services/ec2/instance.ts';
import type { RootVolumeOptions } from '../world/services/ec2/root-volumes.ts';
import { type Delivery, type Handler, LambdaHost, type LogListener } from '../world/services/lambda.ts';
import { Lightsail, type LightsailOptions } from '../world/services/lightsail/lightsail.ts';
import { OpsWorks } from '../world/services/opsworks/opsworks.ts';
import { OpsWorksCm } from '../world/services/opsworks-cm/opsworks-cm.ts';
import { S3 } from '../world/services/s3/s3.ts';
import { SecretsManager } from '../world/services/secrets-manager.ts';
import type { CommandDocument, Script } from '../world/services/ssm/documents.ts';
import { SystemsManager } from '../world/services/ssm/ssm.ts';
import { StepFunctions } from '../world/services/states.ts';
import { type ExecutionView, type RecordedEvent, StateMachines } from '../world/states/engine.ts';
import { type ApiCall, Apis } from '../world/wire/apis.ts';
import { Faults } from '../world/wire/faults.ts';
import type { Gateway } from '../world/wire/listen.ts';
import { createControl } from './control.ts';
import { type DeployedSchedule, type Deployment, readDeployment } from './deployment.ts';
import { collectIdentity, installChef, installCredentials } from './documents.ts';
import { ESTATE, type Estate, type HookSettings } from './estate.ts';

export interface WorldOptions {
  readonly clock: WorldClock;
  readonly random: Random;
  /** The port behind which this world stands from now on, in the place of any other. It listens already. */
  readonly gateway: Gateway;
  readonly port: number;
  /** Left out: profiles.yml, read anew. */
  readonly profilesFile?: ProfilesFile;
  /** Left out: those of the profiles file. */
  readonly profiles?: readonly Profile[];
  /** Left out: those of the profiles file. */
  readonly exemptions?: readonly Exemption[];
  readonly estate?: Estate;
  /** OpsWorks CM's own rate when left out; false: none. */
  readonly rate?: Rate | false;
  readonly keySource?: KeySource;
  /** Signs the identity documents; left out: one with a key of its own. */
  readonly signer?: IdentitySigner;
  /** What the machines of EC2 are like; a node's own defaults stand for what is left out. */
  readonly nodes?: Pick<SimulatedNodeOptions, 'agentUpAfterSeconds' | 'hasOpsWorksAgent' | 'setupFails' | 'runAgent'>;
  /** The texts of Secrets Manager's secrets, by name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Left out: what serverless.yml deploys. */
  readonly deployment?: Deployment;
  /** Run on the nodes instead of our documents' simulated scripts, by the documents' names. */
  readonly documents?: Readonly<Record<string, CommandDocument>>;
  readonly ec2?: Omit<RootVolumeOptions, 'clock' | 'random'> &
    Pick<Ec2Options, 'visibleAfterSeconds' | 'tagsAfterSeconds' | 'tagCondition' | 'pageSize'>;
  readonly lightsail?: Pick<LightsailOptions, 'blueprintsWithoutImdsV2' | 'shownAfterDeletionSeconds' | 'pageSize'>;
  readonly cloudWatch?: Pick<CloudWatchOptions, 'datapointsPerPage'>;
  /** Loads a function, given its source (`functions/describe-instance.ts`); left out, the source itself is run. */
  readonly load?: (file: string) => Promise<{ handler: Handler }>;
  /** Between two rounds of a schedule; Infinity: no round ever. Left out: as deployed. */
  readonly scheduleSeconds?: number;
  /** Called with every event on the bus, and the rules that matched it. */
  readonly onEvent?: (event: AwsEvent, ruleNames: readonly string[]) => void;
  /** Hears, for each rule that took an event, what its function answered, or that the event is lost. */
  readonly onDelivery?: (event: AwsEvent, delivery: Delivery) => void;
  readonly onCall?: (call: ApiCall) => void;
  readonly onHistory?: (execution: ExecutionView, event: RecordedEvent) => void;
  /** Takes what handlers write; left out, it goes to the terminal. */
  readonly onLog?: LogListener;
}

export type World = Awaited<ReturnType<typeof createWorld>>;

/** A world: the doubles of all services, what is deployed into them, and the machines, all on one clock. */
export async function createWorld(options: WorldOptions) {
  const { clock, random, gateway, port, estate = ESTATE, keySource = thriftyKeys() } = options;
  const { deployment = readDeployment() } = options;
  const { ledger: ledgerTable, reportsBucket } = deployment.resources;
  const signer = options.signer ?? (await IdentitySigner.create(new Date(clock.now())));
  const fleet = new Fleet();
  const watchers: ((execution: ExecutionView) => void)[] = [];

  const bus: EventBus = new EventBus({
    clock,
    random,
    rules: deployment.rules.map(({ name, pattern, functionName }) => ({
      name,
      pattern,
      target: async (event) => {
        const delivery = await lambda.invokeAsync(functionName, event);
        options.onDelivery?.(event, delivery);
      },
    })),
    ...(options.onEvent && { onEvent: options.onEvent }),
  });
  const emit = (event: AwsEvent) => void bus.deliver(event);
  const ec2 = new Ec2({
    clock,
    random,
    ...options.ec2,
    onLaunch: (instance) =>
      fleet.add(
        new SimulatedNode({ machine: machineOf(instance), clock, random, signer, keySource, ...options.nodes }),
      ),
    onTerminate: ({ instanceId }) => fleet.remove(instanceId),
    onRootVolumeReplaced: ({ instanceId }, source) => {
      const node = fleet.get(instanceId);
      if (source === 'image') node?.replaceDisk();
      else node?.boot();
    },
  });
  const autoScaling = new AutoScaling({ clock, random, emit, ec2 });
  const tagCondition = options.ec2?.tagCondition;
  const lightsail = new Lightsail({ clock, random, emit, ...options.lightsail });
  const opsWorks = new OpsWorks({ clock, random, fleet, signer, stacks: estate.stacks });
  const opsWorksCm = new OpsWorksCm({
    clock,
    random,
    servers: estate.servers,
    ...(options.rate !== undefined && { rate: options.rate }),
  });
  const systemsManager = new SystemsManager({
    clock,
    random,
    fleet,
    documents: { ...documentsOf(deployment), ...options.documents },
    isAuthorized: (instanceId) =>
      tagCondition === undefined || !ec2.instance(instanceId) || ec2.hasTag(instanceId, tagCondition),
  });
  const secretsManager = new SecretsManager({ clock, random, secrets: options.secrets ?? {} });
  const s3 = new S3({ clock, random, buckets: [reportsBucket] });
  const lambda = new LambdaHost({
    clock,
    random,
    functions: handlers(deployment.functions, options.load),
    ...(options.onLog && { onLog: options.onLog }),
  });
  const machines = new StateMachines({
    clock,
    random,
    invokeTask: ({ resource, input }) => lambda.invoke(resource, input),
    onStatusChange: (execution) => {
      for (const watcher of watchers) watcher(execution);
    },
    ...(options.onHistory && { onEvent: options.onHistory }),
  });
  const arns = deployment.stateMachines.map((machine) => machines.create(machine));
  const arnOf = (name: string) => {
    const arn = arns.find((candidate) => candidate.endsWith(`-${name}`));
    if (arn === undefined) throw new Error(`resources/ has no state machine whose name ends with ${name}.`);
    return arn;
  };
  const [enrolNodeArn, retireNodeArn, sweepFleetArn] = [
    arnOf('enrol-node'),
    arnOf('retire-node'),
    arnOf('sweep-fleet'),
  ];
  const faults = new Faults();
  const apis = new Apis({
    clock,
    random,
    faults,
    services: [
      ec2,
      autoScaling,
      lightsail,
      opsWorks,
      opsWorksCm,
      systemsManager,
      secretsManager,
      bus,
      new StepFunctions({ clock, machines }),
      new CloudWatch({ clock, ec2, ...options.cloudWatch }),
    ].map(({ service }) => service),
    rest: [s3.endpoint],
    holdOf: (invocationId) => lambda.holdOf(invocationId),
    ...(options.onCall && { onCall: options.onCall }),
  });

  const endpoint = `http://127.0.0.1:${port}`;
  const compiled = profilesOf(options);
  deploy(endpoint, deployment, compiled);
  // Its metadata service signs with a key of its own.
  const regions = [REGION, ...compiled.profiles.flatMap((profile) => profile.regions ?? [])];
  process.env.IDENTITY_KEYS = JSON.stringify(
    keysOf(Object.fromEntries(regions.map((region) => [region, signer.certificatePem]))),
  );
  const client = { endpoint, region: REGION, credentials: CREDENTIALS };
  const dynamoDb = new DynamoDBClient(client);
  const control = createControl({ clock, random, autoScaling, ec2, lightsail, faults, world: snapshot });
  gateway.world = { clock, apis, control };
  await dynamoDb.send(new CreateTableCommand(ledgerTable));
  for (const group of estate.groups) autoScaling.createGroup({ DesiredCapacity: 0, MinSize: 0, ...group });
  for (const hook of estate.hooks) putHook(hook);
  apis.calls.clear();
  if (options.scheduleSeconds !== Number.POSITIVE_INFINITY)
    for (const schedule of deployment.schedules) runOnSchedule(schedule);

  /**
   * In AWS a schedule runs always. Here it rests while no instance waits in a hook, because a round that finds nothing would
   * keep a virtual clock busy for ever.
   */
  function runOnSchedule({ everySeconds, functionName, name }: DeployedSchedule): void {
    let isPlanned = false;
    const plan = () => {
      if (isPlanned) return;
      isPlanned = true;
      const period = (options.scheduleSeconds ?? everySeconds) * 1000;
      clock.at((Math.floor(clock.now() / period) + 1) * period, () => {
        isPlanned = false;
        void run();
      });
    };
    const run = async () => {
      if (!autoScaling.actions.isAnyOpen) return;
      plan();
      // As deployed: a round that fails is not retried, because the next one is due. Its log has the error.
      await lambda.invoke(functionName, scheduledEvent(name, { clock, random })).catch(() => undefined);
    };
    autoScaling.actions.onStart(plan);
  }

  /** In its group's Region. */
  function putHook(hook: HookSettings): void {
    const { region } = autoScaling.group(hook.AutoScalingGroupName);
    autoScaling.service.operations.PutLifecycleHook(hook, { requestId: uuid(random), region });
  }

  /**
   * Boots the machine of a Lightsail instance as a managed node of Systems Manager, activated with the instance's name, and
   * with its Region before it where that is another than the world's.
   * @throws Error when there is no such instance
   */
  function activate(lightsailName: string, region = REGION): SimulatedNode {
    const instance = lightsail.instance(lightsailName, region);
    if (!instance) throw new Error(`There is no Lightsail instance ${lightsailName}.`);
    const machine = {
      instanceId: `mi-0${uuid(random).replaceAll('-', '').slice(0, 16)}`,
      imageId: instance.blueprintId,
      instanceType: instance.bundleId,
      architecture: 'x86_64',
      availabilityZone: instance.availabilityZone,
      privateIp: instance.privateIpAddress,
      launchedAt: new Date(clock.now()),
    };
    const tags = { 'muster-node': region === REGION ? lightsailName : `${region}/${lightsailName}` };
    const node = new SimulatedNode({ machine, tags, clock, random, signer, keySource, ...options.nodes });
    fleet.add(node);
    return node;
  }

  /** The items of instances and of groups, without announcements, node names and what waits in hooks. */
  async function ledger(): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    for await (const { Items = [] } of paginateScan({ client: dynamoDb }, { TableName: ledgerTable.TableName }))
      items.push(...Items.map((item) => unmarshall(item)));
    return items.filter(({ instance }) => !/^(announcement|key|node|waiting)\//.test(String(instance)));
  }

  async function snapshot() {
    return {
      now: new Date(clock.now()).toISOString(),
      ec2: ec2.snapshot(),
      autoScaling: autoScaling.snapshot(),
      lightsail: lightsail.snapshot(),
      opsworks: opsWorks.snapshot(),
      'opsworks-cm': opsWorksCm.snapshot(),
      ssm: systemsManager.snapshot(),
      s3: s3.snapshot(),
      executions: machines.executions().map(({ name, status, stateName }) => ({ name, status, stateName })),
      ledger: await ledger(),
      deadLetters: lambda.deadLetters,
      calls: Object.fromEntries(apis.calls),
    };
  }

  return {
    ...{
      clock,
      endpoint,
      enrolNodeArn,
      retireNodeArn,
      sweepFleetArn,
      bus,
      ec2,
      autoScaling,
      lightsail,
      opsWorks,
      opsWorksCm,
      systemsManager,
      secretsManager,
      s3,
    },
    ...{ fleet, lambda, machines, apis, faults, control, ledger, snapshot, activate, reportsBucket },
    /** Tells of every execution that starts or ends. */
    watch: (watcher: (execution: ExecutionView) => void) => void watchers.push(watcher),
    /** Ends all that moves in this world. The port stays. */
    close() {
      clock.close();
      dynamoDb.destroy();
    },
  };
}

function scheduledEvent(rule: string, origin: { clock: WorldClock; random: Random }): AwsEvent {
  const resources = [`arn:aws:events:${REGION}:${ACCOUNT_ID}:rule/${rule}`];
  return awsEvent({ source: 'aws.events', 'detail-type': 'Scheduled Event', resources, detail: {} }, origin);
}

/** Nothing checks them: they only have to be there. */
const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

/** The doubles of the documents' scripts, by logical id. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  CollectIdentityDocument: collectIdentity,
  InstallCredentialsDocument: installCredentials,
  InstallChefDocument: installChef,
};

function documentsOf({ resources }: Deployment): Record<string, CommandDocument> {
  return Object.fromEntries(
    resources.documents.map(({ logicalId, name, parameters }) => {
      const run = SCRIPTS[logicalId];
      if (!run) throw new Error(`resources/documents.yml has ${logicalId}, which local/world.ts has no script for.`);
      return [name, { parameters, run }];
    }),
  );
}

/** What the build would compile into the functions. */
function profilesOf({
  profilesFile = readProfilesFile('profiles.yml'),
  profiles,
  exemptions,
}: Pick<WorldOptions, 'profilesFile' | 'profiles' | 'exemptions'>): ProfilesFile {
  return {
    ...profilesFile,
    ...(profiles && { profiles: [...profiles] }),
    ...(exemptions && { exemptions: [...exemptions] }),
  };
}

/** Sets the functions' environment: the variables of the stack, and the ones that Lambda and the build add. */
function deploy(
  endpoint: string,
  { resources: { variables, reportsBucket } }: Deployment,
  profiles: ProfilesFile,
): void {
  Object.assign(process.env, {
    ...variables,
    // The bucket's own host name would lead out of the local world: the path of the port names the bucket.
    REPORTS_URL: variables.REPORTS_URL?.replace(/^https:\/\/[^/]+/, `${endpoint}/${reportsBucket}`),
    // The clients' time-outs are the machine's, and an answer may take any time of the world's.
    REQUEST_TIMEOUT_MILLISECONDS: '',
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    MUSTER_PROFILES: JSON.stringify(profiles),
  });
}

function handlers(
  functions: readonly { name: string; file: string; timeoutSeconds: number }[],
  load: WorldOptions['load'] = (file) => import(/* @vite-ignore */ `../${file}`),
) {
  const once = ({ file, timeoutSeconds }: { file: string; timeoutSeconds: number }) => {
    let loaded: Promise<{ handler: Handler }> | undefined;
    const handler = async () => {
      loaded ??= load(file);
      return (await loaded).handler;
    };
    return { handler, timeoutSeconds };
  };
  return Object.fromEntries(functions.map((one) => [one.name, once(one)]));
}

function machineOf(instance: Ec2Instance) {
  return {
    instanceId: instance.instanceId,
    imageId: instance.imageId,
    instanceType: instance.instanceType,
    architecture: instance.architecture,
    availabilityZone: instance.availabilityZone,
    privateIp: instance.privateIpAddress,
    // A stop and a start move it.
    get launchedAt() {
      return instance.launchTime;
    },
  };
}
