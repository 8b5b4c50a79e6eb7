import type { Fault } from '../template/source.ts';
import { ofType, resolved, type Template } from '../template/values.ts';

/** All of a role's inline policies together, without white space. Source: IAM and STS quotas. */
const MOST_CHARACTERS = 10_240;

/** @returns one fault for each role whose policies IAM would refuse for their size: profiles that name much grow some of them */
export function roleSizeFaults(template: Template): Fault[] {
  return ofType(template, 'AWS::IAM::Role').flatMap(([name, { Properties }]) => {
    const { Policies = [] } = resolved(Properties, template) as { Policies?: { PolicyDocument: unknown }[] };
    const sizes = Policies.map(({ PolicyDocument }) => JSON.stringify(PolicyDocument).replace(/\s/g, '').length);
    const characters = sizes.reduce((sum, size) => sum + size, 0);
    if (characters <= MOST_CHARACTERS) return [];
    return [
      {
        at: ['Resources', name, 'Properties', 'Policies'],
        says: `${name} has policies of ${characters} characters, and IAM takes ${MOST_CHARACTERS}: let the profiles name fewer groups, tags, secrets or stacks, one pattern for several groups for example.`,
      },
    ];
  });
}
