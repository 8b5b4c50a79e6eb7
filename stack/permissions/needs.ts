import type { Profile } from '../../lib/profile.ts';
import type { YamlFile } from '../../lib/yaml-file.ts';
import { secretArn, stackArn } from './from-profiles.ts';
import type { Need } from './permissions.ts';

const READ = 'secretsmanager:GetSecretValue';
const LOOK = 'secretsmanager:DescribeSecret';

/** Which functions do what with that which a field of a profile names. */
const USERS = {
  caSecret: {
    'check-request': READ,
    'associate-node': READ,
    'confirm-association': READ,
    'disassociate-node': READ,
  },
  keySecret: { 'check-request': READ, 'associate-node': READ, 'confirm-association': READ },
  retireKeySecret: { 'check-request': LOOK, 'disassociate-node': READ },
  stackId: { 'register-instance': 'opsworks:*', 'assign-instance': 'opsworks:*', 'deregister-instance': 'opsworks:*' },
} as const;
type Field = keyof typeof USERS;

/**
 * What the profiles name and functions use: secrets and stacks, with the line that names them.
 * @param file the profiles
 */
export function needsOf(file: YamlFile, profiles: readonly Profile[]): Need[] {
  return profiles.flatMap((profile, index) =>
    namedBy(profile).flatMap(({ field, name }) => {
      const part = field === 'stackId' ? 'register' : 'associate';
      const sentence = `${file.placeOf(['profiles', index, part, field])}: the profile ${profile.name} names the ${field} ${name}`;
      const resource = (field === 'stackId' ? stackArn(name) : secretArn(name))['Fn::Sub'];
      return Object.entries(usersOf(field, profile)).map(([user, action]) => {
        return { function: user, action, resource, sentence };
      });
    }),
  );
}

function namedBy({ register, associate }: Profile): { field: Field; name: string }[] {
  const isOurs = associate && associate.engine !== 'opsworks-cm';
  const { caSecret, keySecret, retireKeySecret }: { [Name in Field]?: string | undefined } = isOurs ? associate : {};
  const fields: { [Name in Field]: string | undefined } = {
    caSecret,
    keySecret,
    retireKeySecret,
    stackId: register?.stackId,
  };
  return Object.entries(fields).flatMap(([field, name]) => (name ? [{ field: field as Field, name }] : []));
}

/** Chef's nodes are told whom to trust, too. */
function usersOf(field: Field, { associate }: Profile): Record<string, string> {
  const isSent = field === 'caSecret' && associate?.engine === 'chef-infra';
  return { ...USERS[field], ...(isSent && { 'install-credentials': READ }) };
}
