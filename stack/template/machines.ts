import * as z from 'zod';
import { type TaskState, tasksOf } from '../definition/scopes.ts';
import type { Fault } from './source.ts';
import { ofType, type Template } from './values.ts';

/** How long a function runs that does not say it. Source: Lambda, "Configure Lambda function timeout". */
const LAMBDAS_OWN_SECONDS = 3;

const Machine = z.looseObject({
  Definition: z.unknown(),
  DefinitionSubstitutions: z.record(z.string(), z.unknown()).default({}),
});

const FunctionArn = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) });

/** Looks whether each task has its function, and lets it end: what ends by itself says which call has hung. */
export function taskFaults(template: Template): Fault[] {
  return ofType(template, 'AWS::StepFunctions::StateMachine').flatMap(([machine, { Properties }]) => {
    const { Definition, DefinitionSubstitutions } = Machine.parse(Properties);
    const at = ['Resources', machine, 'Properties', 'Definition'];
    return tasksOf(Definition).flatMap((task) => {
      const [, placeholder] = /^\$\{(\w+)\}$/.exec(task.resource) ?? [];
      if (placeholder === undefined) return [];
      const says = faultOf(task, DefinitionSubstitutions[placeholder], template);
      return says ? [{ at: [...at, ...task.at, says.in], says: `State ${task.name} ${says.fault}.` }] : [];
    });
  });
}

function faultOf({ resource, timeoutSeconds }: TaskState, substitution: unknown, template: Template) {
  const [name] = FunctionArn.safeParse(substitution).data?.['Fn::GetAtt'] ?? [];
  const { data: run } = z
    .looseObject({ Timeout: z.number().default(LAMBDAS_OWN_SECONDS) })
    .safeParse(name && template.Resources[name]?.Properties);
  if (!run)
    return { in: 'Resource', fault: `runs ${resource}, which DefinitionSubstitutions does not give it: add it` };
  if (Number(timeoutSeconds) > run.Timeout) return undefined;
  const fault =
    `has a TimeoutSeconds of ${timeoutSeconds}, and ${name} runs for ${run.Timeout} seconds: ` +
    'give the state more, so that the function tells its own end';
  return { in: 'TimeoutSeconds', fault };
}
