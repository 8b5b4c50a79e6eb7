import { type NamedSecret, needsKey, secretsFor, traitsOf } from '../../lib/engines.ts';
import { deployed, type Profile } from '../../lib/profile.ts';
import type { Associate } from '../../lib/servers.ts';

/** An ARN, or a part of a policy, with CloudFormation's own variables in it. */
type Sub = { 'Fn::Sub': string };
type Condition = Record<string, Record<string, unknown>>;
type Statement = { Effect: 'Allow'; Action: string; Resource: Sub[]; Condition: Condition };

const [partition = '', home = '', account] = ['Partition', 'Region', 'AccountId'].map((name) => `$\{AWS::${name}}`);

/** What a policy that the profiles make allows: its statements, where there are any. */
export const POLICY_ACTIONS = {
  commandTargets: 'ssm:SendCommand',
  hardeningTargets: 'ec2:ModifyInstanceMetadataOptions',
} as const;

/** For an action that takes no resource. */
const ANY: readonly string[] = ['*'];

/**
 * What the profiles let the functions reach. stack/package.ts writes it to build/from-profiles.json, which the functions'
 * roles include: a role names the groups, secrets and stacks of the profiles and no other. A part is empty where no profile
 * asks for it; then no role has the statement.
 * @param formerServers that no profile names any more, and that have nodes to be retired
 */
export function grantsOf(profiles: readonly Profile[], formerServers: readonly Associate[] = []) {
  const servers = profiles.flatMap(({ associate }) => associate ?? []);
  const asked = profiles.filter(isAskedForIdentity);
  const hardened = profiles.filter(({ metadata }) => metadata);
  const hardenedAtLightsail = hardened.filter(mayMatchLightsail);
  const enrolling = servers.flatMap((server) => secretsFor('enrolment', server));
  const retiring = [...servers, ...formerServers].flatMap((server) => secretsFor('retirement', server));
  const installed = asked.filter(({ associate }) => associate && traitsOf(associate).installation);
  return {
    /** What an enrolment reads: the key that signs, and whom to trust. */
    enrolSecrets: secrets(enrolling),
    /** What a retirement reads. */
    retireSecrets: secrets(retiring),
    /** What is only looked at, to see that it is there. */
    retireKeys: secrets(retiring.filter(({ readBy }) => !readBy.includes('enrolment'))),
    /** What a node is sent: Puppet's comes from the server itself. */
    nodeSecrets: secretsNamed(servers.flatMap(secretsSentBy)),
    stacks: unique(profiles.flatMap(({ register }) => register?.stackId ?? [])).map(stackArn),
    /** No action of OpsWorks CM takes a resource. */
    opsWorksCmEnrolling: where(servers.some(isOpsWorksCm), ANY),
    opsWorksCmRetiring: where([...servers, ...formerServers].some(isOpsWorksCm), ANY),
    launchGroups: groupsOf(profiles.filter(({ lifecycleHook }) => lifecycleHook)),
    terminationGroups: groupsOf(profiles.filter(({ terminationHook }) => terminationHook)),
    /** Whom a document may be sent to. */
    commandTargets: [...ec2Targets(POLICY_ACTIONS.commandTargets, 'ssm:resourceTag', asked), ...managedTargets(asked)],
    /** Which documents: the stack's own, and those of the same names where other instances of EC2 are. */
    collectDocuments: documents(['CollectIdentityDocument'], asked),
    installDocuments: documents(['InstallCredentialsDocument', 'InstallChefDocument'], installed),
    /** What is asked of Systems Manager about nodes and commands takes no resource. */
    commandResults: where(asked.length > 0, ANY),
    installationResults: where(installed.length > 0, ANY),
    /** What is only looked at, to know whether it is there: also for nodes of profiles that are no more. */
    lightsailInstances: inRegions('lightsail:REGION:Instance/*', profiles.length > 0 ? regionsOfAll(profiles) : [home]),
    /** Whose metadata options may be changed. */
    hardeningTargets: ec2Targets(POLICY_ACTIONS.hardeningTargets, 'aws:ResourceTag', hardened),
    lightsailHardening: lightsailInstancesOf(hardenedAtLightsail),
    /** An operation has no ARN. */
    lightsailOperations: where(hardenedAtLightsail.length > 0, ANY),
    /** Metrics take no resource. */
    imdsMetrics: where(hardened.length > 0, ANY),
  };
}

function where<Value>(isAsked: boolean, values: readonly Value[]): readonly Value[] {
  return isAsked ? values : [];
}

function isOpsWorksCm(server: Associate): boolean {
  return traitsOf(server).awsApi !== null;
}

/** Lightsail instances are in no group; a profile that goes by tags alone may be theirs. */
export function mayMatchLightsail({ match }: Profile): boolean {
  return match.autoScalingGroup === undefined;
}

/** All of the profiles' Regions: Lightsail names an instance by an id of its own. */
export function lightsailInstancesOf(profiles: readonly Profile[]): Sub[] {
  return inRegions('lightsail:REGION:Instance/*', regionsOfAll(profiles));
}

/** The secrets whose texts a node is sent. */
function secretsSentBy(server: Associate): string[] {
  return Object.values(traitsOf(server).installation?.secretParameters ?? {});
}

function isAskedForIdentity({ associate, register }: Profile): boolean {
  return Boolean((associate && needsKey(associate)) || register);
}

/**
 * The members of the groups that profiles name, and what carries the tags that they name. Who is told by one tag alone (a
 * group is one too) stands in one statement with all others who are told by it: a role's policies may be 10,240 characters.
 */
function ec2Targets(action: string, key: string, profiles: readonly Profile[]): Statement[] {
  const targets = profiles.flatMap((profile) => {
    const { autoScalingGroup, tags = {}, lightsail } = profile.match;
    if (lightsail) return [];
    const group = autoScalingGroup ? { [`${key}/aws:autoscaling:groupName`]: globbed(autoScalingGroup) } : {};
    const own = Object.entries(tags).map(([name, value]) => [`${key}/${name}`, literally(value)]);
    return [{ profile, condition: JSON.stringify({ ...group, ...Object.fromEntries(own) }) }];
  });
  const wanted = [...Map.groupBy(targets, ({ condition }) => condition)].map(([condition, those]) => {
    return { condition: JSON.parse(condition), regions: regionsOfAll(those.map(({ profile }) => profile)) };
  });
  return [...Map.groupBy(wanted, togetherWith).values()].map((those) => {
    const keys = Object.keys(those[0]?.condition ?? {});
    const like = keys.map((name) => [name, oneOrAll(those.map(({ condition }) => condition[name]))]);
    const resources = inRegions('ec2:REGION:instance/*', those[0]?.regions ?? []);
    return statement(action, resources, { StringLike: Object.fromEntries(like) });
  });
}

/** What can stand in one statement: conditions of one and the same key in the same Regions, and any other by itself. */
function togetherWith({
  condition,
  regions,
}: {
  condition: Record<string, string>;
  regions: readonly string[];
}): string {
  const keys = Object.keys(condition);
  return JSON.stringify([keys.length === 1 ? keys : condition, regions]);
}

/**
 * A Lightsail instance is a managed node of the stack's own Region, which was activated with its name in this tag, behind its
 * Region where that is another: services/run-command.ts.
 */
function managedTargets(profiles: readonly Profile[]): Statement[] {
  const globs = profiles.flatMap(({ match: { lightsail = '*', autoScalingGroup }, csrFrom, regions = [] }) => {
    if (autoScalingGroup || csrFrom === 'request') return [];
    const glob = globbed(lightsail);
    return [glob, ...regions.map((region) => `${region}/${glob}`)];
  });
  if (globs.length === 0) return [];
  const nodes = { 'ssm:resourceTag/muster-node': oneOrAll(unique(globs)) };
  return [statement('ssm:SendCommand', [arn('ssm:REGION:managed-instance/*')], { StringLike: nodes })];
}

function oneOrAll(values: readonly string[]): string | readonly string[] {
  return values.length === 1 && values[0] !== undefined ? values[0] : values;
}

function statement(Action: string, Resource: Sub[], Condition: Condition): Statement {
  return { Effect: 'Allow', Action, Resource, Condition };
}

/** The Regions of the profiles; one that names none is for the stack's own. */
function regionsOfAll(profiles: readonly Profile[]): string[] {
  return unique(profiles.flatMap((profile) => deployed(profile, home).regions));
}

function inRegions(resource: string, regions: readonly string[]): Sub[] {
  return regions.map((region) => arn(resource, region));
}

/** A managed node is asked from the stack's own Region, an instance of EC2 in its own. */
function documents(names: readonly string[], profiles: readonly Profile[]): Sub[] {
  if (profiles.length === 0) return [];
  const regions = unique([home, ...regionsOfAll(profiles.filter(({ match }) => !match.lightsail))]);
  return regions.flatMap((region) => names.map((name) => documentArn(name, region)));
}

/** A document of the stack, or of its name. */
function documentArn(name: string, region: string): Sub {
  return { 'Fn::Sub': ['arn', partition, 'ssm', region, account, `document/$\{${name}}`].join(':') };
}

/** The groups that profiles name; every group where a profile matches by tags alone, because it names none. */
export function groupsOf(profiles: readonly Profile[]): Sub[] {
  const arns = profiles.flatMap((profile) => {
    const glob = globbed(profile.match.autoScalingGroup ?? '*');
    const group = `autoscaling:REGION:autoScalingGroup:*:autoScalingGroupName/${glob}`;
    return inRegions(group, deployed(profile, home).regions);
  });
  return uniqueArns(arns);
}

export function stackArn(stackId: string): Sub {
  return arn(`opsworks:REGION:stack/${stackId}/`);
}

/** Secrets Manager adds a hyphen and six characters of its own to a secret's name. */
export function secretArn(name: string): Sub {
  return arn(`secretsmanager:REGION:secret:${name}-??????`);
}

function secrets(named: readonly NamedSecret[]): Sub[] {
  return secretsNamed(named.map(({ name }) => name));
}

function secretsNamed(names: readonly string[]): Sub[] {
  return unique(names).map(secretArn);
}

function arn(resource: string, region = home): Sub {
  // What CloudFormation is to leave as it is, for IAM.
  const literal = resource.replaceAll('${', '${!');
  const [service, , ...rest] = literal.split(':');
  return { 'Fn::Sub': ['arn', partition, service, region, account, ...rest].join(':') };
}

/** A profile's pattern as one of IAM, to which `?` and `$` mean something too. */
function globbed(glob: string): string {
  return glob.replace(/[?$]/g, (character) => `$\{${character}}`);
}

/** A text as a pattern of IAM that matches nothing else. */
function literally(text: string): string {
  return text.replace(/[?$*]/g, (character) => `$\{${character}}`);
}

function uniqueArns(arns: readonly Sub[]): Sub[] {
  return unique(arns.map((one) => one['Fn::Sub'])).map((text) => ({ 'Fn::Sub': text }));
}

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}
