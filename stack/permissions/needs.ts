import { traitsOf } from '../../lib/engines.ts';
import type { Profile } from '../../lib/profile.ts';
import type { Associate } from '../../lib/servers.ts';
import type { YamlFile } from '../../lib/yaml-file.ts';
import { groupsOf, lightsailInstancesOf, mayMatchLightsail, secretArn, stackArn } from './from-profiles.ts';
import type { Need } from './permissions.ts';

const READ = 'secretsmanager:GetSecretValue';
const LOOK = 'secretsmanager:DescribeSecret';

/** The functions that use a secret, by who reads it, and what they do with it. */
const SECRET_USERS = {
  enrolment: { 'check-request': READ, 'associate-node': READ, 'confirm-association': READ },
  retirement: { 'disassociate-node': READ },
} as const;
const STACK_USERS = ['register-instance', 'assign-instance', 'deregister-instance'];

const OPSWORKS_CM_USERS = ['associate-node', 'confirm-association', 'disassociate-node', 'confirm-disassociation'];
const RETIRING = ['disassociate-node', 'confirm-disassociation'];
const LIGHTSAIL_HARDENERS = ['enforce-imds-v2', 'revert-metadata'];
const HOOK_USERS = {
  lifecycleHook: {
    'finish-launch': 'autoscaling:CompleteLifecycleAction',
    'release-launch': 'autoscaling:CompleteLifecycleAction',
    'start-enrolment': 'autoscaling:RecordLifecycleActionHeartbeat',
    watch: 'autoscaling:RecordLifecycleActionHeartbeat',
  },
  terminationHook: {
    'finish-termination': 'autoscaling:CompleteLifecycleAction',
    watch: 'autoscaling:RecordLifecycleActionHeartbeat',
  },
} as const;

/**
 * What the profiles name and functions use, with the line that names it: secrets, stacks, servers, hooks, and the metadata
 * options of Lightsail instances.
 * @param file the profiles
 */
export function needsOf(
  file: YamlFile,
  profiles: readonly Profile[],
  formerServers: readonly Associate[] = [],
): Need[] {
  return [
    ...profileNeeds(file, profiles),
    ...formerServers.flatMap((server, index) => formerNeeds(file, server, index)),
  ];
}

/** A server that no profile names any more is asked to forget nodes, and takes no new ones. */
function formerNeeds(file: YamlFile, server: Associate, index: number): Need[] {
  const sentence = `${file.placeOf(['formerServers', index])}: formerServers names ${traitsOf(server).displayName}`;
  const ofSecrets = secretNeeds({ associate: server }, () => sentence);
  return [...ofSecrets, ...opsWorksCmNeeds({ associate: server }, sentence)].filter(({ function: user, action }) => {
    return RETIRING.includes(user) || action === LOOK;
  });
}

function profileNeeds(file: YamlFile, profiles: readonly Profile[]): Need[] {
  return profiles.flatMap((profile, index) => {
    const placeOf = (...path: string[]) => `${file.placeOf(['profiles', index, ...path])}: the profile ${profile.name}`;
    const sentenceFor = (part: 'register' | 'associate', field: string, name: string) =>
      `${placeOf(part, field)} names the ${field} ${name}`;
    return [
      ...stackNeeds(profile, (name) => sentenceFor('register', 'stackId', name)),
      ...secretNeeds(profile, (field, name) => sentenceFor('associate', field, name)),
      ...opsWorksCmNeeds(profile, `${placeOf('associate')} names a server of OpsWorks CM`),
      ...hookNeeds(profile, (field) => `${placeOf(field)} names a ${field}`),
      ...lightsailNeeds(profile, `${placeOf('metadata')} may be for Lightsail instances and names metadata options`),
    ];
  });
}

function stackNeeds({ register }: Profile, sentenceFor: (stackId: string) => string): Need[] {
  if (!register) return [];
  const need = { resource: stackArn(register.stackId)['Fn::Sub'], sentence: sentenceFor(register.stackId) };
  return STACK_USERS.map((user) => ({ function: user, action: 'opsworks:*', ...need }));
}

function secretNeeds(
  { associate }: Pick<Profile, 'associate'>,
  sentenceFor: (field: string, name: string) => string,
): Need[] {
  if (!associate) return [];
  const sent = Object.values(traitsOf(associate).installation?.secretParameters ?? {});
  return traitsOf(associate).secrets.flatMap(({ field, name, readBy }) => {
    const users: Record<string, string> = {
      ...(!readBy.includes('enrolment') && { 'check-request': LOOK }),
      ...(readBy.includes('enrolment') && SECRET_USERS.enrolment),
      ...(readBy.includes('retirement') && SECRET_USERS.retirement),
      ...(sent.includes(name) && { 'install-credentials': READ }),
    };
    const need = { resource: secretArn(name)['Fn::Sub'], sentence: sentenceFor(field, name) };
    return Object.entries(users).map(([user, action]) => ({ function: user, action, ...need }));
  });
}

function opsWorksCmNeeds({ associate }: Pick<Profile, 'associate'>, sentence: string): Need[] {
  if (!associate || traitsOf(associate).awsApi === null) return [];
  return OPSWORKS_CM_USERS.map((user) => ({ function: user, action: 'opsworks-cm:*', resource: '*', sentence }));
}

function hookNeeds(profile: Profile, sentenceFor: (field: string) => string): Need[] {
  return (['lifecycleHook', 'terminationHook'] as const)
    .filter((field) => profile[field] !== undefined)
    .flatMap((field) =>
      Object.entries(HOOK_USERS[field]).flatMap(([user, action]) =>
        groupsOf([profile]).map(({ 'Fn::Sub': resource }) => {
          return { function: user, action, resource, sentence: sentenceFor(field) };
        }),
      ),
    );
}

function lightsailNeeds(profile: Profile, sentence: string): Need[] {
  if (!profile.metadata || !mayMatchLightsail(profile)) return [];
  return LIGHTSAIL_HARDENERS.flatMap((user) =>
    lightsailInstancesOf([profile]).map(({ 'Fn::Sub': resource }) => {
      return { function: user, action: 'lightsail:UpdateInstanceMetadataOptions', resource, sentence };
    }),
  );
}
