import type { Profile } from '../lib/profiles.ts';

/** An ARN, or a part of a policy, with CloudFormation's own variables in it. */
type Sub = { 'Fn::Sub': string };
type Condition = Record<string, Record<string, unknown>>;
type Statement = { Effect: 'Allow'; Action: string; Resource: Sub; Condition: Condition };

const [partition, region, account] = ['Partition', 'Region', 'AccountId'].map((name) => `$\{AWS::${name}}`);

/**
 * What the profiles say about whom the functions may touch. scripts/package.ts writes it where resources/roles.yml reads
 * it, so that a role names the groups, secrets and stacks of the profiles and no other.
 */
export function grantsOf(profiles: readonly Profile[]) {
  const servers = profiles.flatMap(({ associate }) => (associate && 'keySecret' in associate ? [associate] : []));
  const authorities = servers.map(({ caSecret }) => caSecret);
  return {
    /** What an enrolment reads: the key that signs, and whom to trust. */
    enrolSecrets: secrets([...authorities, ...servers.map(({ keySecret }) => keySecret)]),
    /** What a retirement reads. */
    retireSecrets: secrets([...authorities, ...servers.map(({ retireKeySecret }) => retireKeySecret)]),
    /** What is only looked at, to see that it is there. */
    retireKeys: secrets(servers.map(({ retireKeySecret }) => retireKeySecret)),
    /** What a node is sent: Puppet's comes from the server itself. */
    nodeSecrets: secrets(servers.flatMap((server) => (server.engine === 'chef-infra' ? server.caSecret : []))),
    stacks: orNone(
      unique(profiles.flatMap(({ register }) => register?.stackId ?? [])).map(stackArn),
      'opsworks:REGION:stack/none/',
    ),
    launchGroups: groups(profiles.filter(({ lifecycleHook }) => lifecycleHook)),
    terminationGroups: groups(profiles.filter(({ terminationHook }) => terminationHook)),
    /** Whom a document may be sent to. */
    commandTargets: orNobody('ssm:SendCommand', [
      ...ec2Targets('ssm:SendCommand', 'ssm:resourceTag', profiles.filter(isAskedForIdentity)),
      ...managedTargets(profiles.filter(isAskedForIdentity)),
    ]),
    /** Whose metadata options may be changed. */
    hardeningTargets: orNobody(
      'ec2:ModifyInstanceMetadataOptions',
      ec2Targets(
        'ec2:ModifyInstanceMetadataOptions',
        'aws:ResourceTag',
        profiles.filter(({ metadata }) => metadata),
      ),
    ),
  };
}

function isAskedForIdentity({ associate, register }: Profile): boolean {
  return Boolean(associate || register);
}

/** The members of the groups that profiles name, and what carries the tags that they name. */
function ec2Targets(action: string, key: string, profiles: readonly Profile[]): Statement[] {
  const conditions = profiles.flatMap(({ match: { autoScalingGroup, tags = {}, lightsail } }) => {
    if (lightsail) return [];
    const group = autoScalingGroup ? { [`${key}/aws:autoscaling:groupName`]: globbed(autoScalingGroup) } : {};
    const own = Object.entries(tags).map(([name, value]) => [`${key}/${name}`, literally(value)]);
    return [{ ...group, ...Object.fromEntries(own) }];
  });
  return unique(conditions.map((condition) => JSON.stringify(condition))).map((condition) =>
    statement(action, 'ec2:REGION:instance/*', { StringLike: JSON.parse(condition) }),
  );
}

/** A Lightsail instance is a managed node, which was activated with its name in this tag: services/run-command.ts. */
function managedTargets(profiles: readonly Profile[]): Statement[] {
  const globs = profiles.flatMap(({ match: { lightsail = '*', autoScalingGroup }, csrFrom }) =>
    autoScalingGroup || csrFrom === 'request' ? [] : [globbed(lightsail)],
  );
  return unique(globs).map((glob) =>
    statement('ssm:SendCommand', 'ssm:REGION:managed-instance/*', {
      StringLike: { 'ssm:resourceTag/muster-node': glob },
    }),
  );
}

/** A policy must say something: where the profiles name nobody, it names an instance that there is not. */
function orNobody(action: string, statements: readonly Statement[]): Statement[] {
  const nobody = statement(action, 'ec2:REGION:instance/none', { StringEquals: { 'aws:ResourceTag/none': 'none' } });
  return statements.length > 0 ? [...statements] : [nobody];
}

function statement(Action: string, resource: string, Condition: Condition): Statement {
  return { Effect: 'Allow', Action, Resource: arn(resource), Condition };
}

/** The groups by name, or all where a profile goes by tags alone: then nobody knows their names. */
function groups(profiles: readonly Profile[]): Sub[] {
  const globs = unique(profiles.map(({ match }) => match.autoScalingGroup ?? '*')).map(globbed);
  const arns = globs.map((glob) => arn(`autoscaling:REGION:autoScalingGroup:*:autoScalingGroupName/${glob}`));
  return orNone(arns, 'autoscaling:REGION:autoScalingGroup:none:autoScalingGroupName/none');
}

export function stackArn(stackId: string): Sub {
  return arn(`opsworks:REGION:stack/${stackId}/`);
}

/** Secrets Manager adds a hyphen and six characters of its own to a secret's name. */
export function secretArn(name: string): Sub {
  return arn(`secretsmanager:REGION:secret:${name}-??????`);
}

function secrets(names: readonly (string | undefined)[]): Sub[] {
  const named = unique(names.flatMap((name) => name ?? []));
  return orNone(named.map(secretArn), 'secretsmanager:REGION:secret:none/none');
}

/** A statement must name something: where the profiles name nothing, it names what nobody has. */
function orNone(arns: readonly Sub[], none: string): Sub[] {
  return arns.length > 0 ? [...arns] : [arn(none)];
}

function arn(resource: string): Sub {
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

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}
