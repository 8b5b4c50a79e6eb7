import { traitsOf } from '../../lib/engines.ts';
import type { Profile } from '../../lib/profile.ts';
import type { YamlFile } from '../../lib/yaml-file.ts';
import { secretArn, stackArn } from './from-profiles.ts';
import type { Need } from './permissions.ts';

const READ = 'secretsmanager:GetSecretValue';
const LOOK = 'secretsmanager:DescribeSecret';

/** The functions that use a secret, by who reads it, and what they do with it. */
const SECRET_USERS = {
  enrolment: { 'check-request': READ, 'associate-node': READ, 'confirm-association': READ },
  retirement: { 'disassociate-node': READ },
} as const;
const STACK_USERS = ['register-instance', 'assign-instance', 'deregister-instance'];

/**
 * What the profiles name and functions use: secrets and stacks, with the line that names them.
 * @param file the profiles
 */
export function needsOf(file: YamlFile, profiles: readonly Profile[]): Need[] {
  return profiles.flatMap((profile, index) => {
    const sentenceFor = (part: 'register' | 'associate', field: string, name: string) =>
      `${file.placeOf(['profiles', index, part, field])}: the profile ${profile.name} names the ${field} ${name}`;
    return [
      ...stackNeeds(profile, (name) => sentenceFor('register', 'stackId', name)),
      ...secretNeeds(profile, (field, name) => sentenceFor('associate', field, name)),
    ];
  });
}

function stackNeeds({ register }: Profile, sentenceFor: (stackId: string) => string): Need[] {
  if (!register) return [];
  const need = { resource: stackArn(register.stackId)['Fn::Sub'], sentence: sentenceFor(register.stackId) };
  return STACK_USERS.map((user) => ({ function: user, action: 'opsworks:*', ...need }));
}

function secretNeeds({ associate }: Profile, sentenceFor: (field: string, name: string) => string): Need[] {
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
