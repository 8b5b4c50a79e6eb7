import type { Fault, Path } from '../template/source.ts';
import { arnOf, isLike, resolved, type Template } from '../template/values.ts';

/**
 * Checks that no pattern of a policy, permission or rule matches what another stage is called: `muster-prod-*` matches all
 * of a stage `prod-eu` in the same account.
 * @param stage of the template
 */
export function stagePatternFaults(template: Template, stage: string): Fault[] {
  const others = namesIn(template).map((name) => name.replaceAll(`muster-${stage}-`, `muster-${stage}-x-`));
  const foreign = others.filter((name) => name.includes(`muster-${stage}-x-`));
  return Object.entries(template.Resources).flatMap(([name, { Properties }]) => {
    const patterns = patternsIn(resolved(Properties, template), ['Resources', name, 'Properties']);
    return patterns.flatMap(({ at, pattern }) => {
      const matched = foreign.find((other) => isLike(other, pattern));
      if (matched === undefined) return [];
      const says = `${name} names ${pattern}, which matches ${matched} of a stage ${stage}-x too: name each resource in full.`;
      return [{ at, says }];
    });
  });
}

/** The ARNs of what a stage names, executions of its state machines among them. */
function namesIn(template: Template): string[] {
  const arns = Object.keys(template.Resources).map((name) => arnOf(name, template));
  const machines = arns.filter((arn) => arn.includes(':stateMachine:'));
  return [...arns, ...machines.map((arn) => `${arn.replace(':stateMachine:', ':execution:')}:an-execution`)];
}

/** Texts with a wildcard of IAM, and prefixes and wildcards of event patterns. A bare `*` has checks of its own. */
function patternsIn(value: unknown, at: Path): { at: Path; pattern: string }[] {
  if (typeof value === 'string') return value !== '*' && /[*?]/.test(value) ? [{ at, pattern: value }] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => {
    if (key === 'prefix' && typeof below === 'string') return [{ at, pattern: `${below}*` }];
    return patternsIn(below, [...at, Array.isArray(value) ? Number(key) : key]);
  });
}
