import type { Profile } from '../lib/profiles.ts';
import { secretArn, stackArn } from './from-profiles.ts';
import type { Need } from './permissions.ts';

/** Which functions read what a profile names. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  caSecret: ['check-request', 'associate-node', 'confirm-association', 'disassociate-node', 'confirm-disassociation'],
  keySecret: ['check-request', 'associate-node', 'confirm-association'],
  retireKeySecret: ['check-request', 'disassociate-node', 'confirm-disassociation'],
  stackId: ['register-instance', 'assign-instance', 'deregister-instance'],
};

/**
 * What the profiles name and functions read: secrets and stacks, with the line that names them.
 * @param file as it is to be called in a sentence
 * @param text of the file
 */
export function needsOf(file: string, text: string, profiles: readonly Profile[]): Need[] {
  return profiles.flatMap((profile) =>
    namedBy(profile).flatMap(([field, name]) => {
      const sentence = `${file}:${lineOf(text, field, name)}: the profile ${profile.name} names the ${field} ${name}`;
      const resource = field === 'stackId' ? stackArn(name) : secretArn(name);
      return readersOf(field, profile).map((reader) => ({ function: reader, resource: resource['Fn::Sub'], sentence }));
    }),
  );
}

function namedBy({ register, associate }: Profile): [string, string][] {
  const fields = { stackId: register?.stackId, ...(associate && 'keySecret' in associate && associate) };
  return Object.keys(READERS).flatMap((field) => {
    const name = new Map(Object.entries(fields)).get(field);
    return typeof name === 'string' ? [[field, name] as [string, string]] : [];
  });
}

/** Chef's nodes are told whom to trust, too. */
function readersOf(field: string, { associate }: Profile): readonly string[] {
  const isSent = field === 'caSecret' && associate?.engine === 'chef-infra';
  return [...(READERS[field] ?? []), ...(isSent ? ['install-credentials'] : [])];
}

function lineOf(text: string, field: string, name: string): number {
  const lines = text.split('\n');
  const exact = lines.findIndex((line) => line.includes(field) && line.includes(name));
  return 1 + (exact < 0 ? lines.findIndex((line) => line.includes(name)) : exact);
}
