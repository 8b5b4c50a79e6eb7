import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';

const Transformer = z.object({ InputPathsMap: z.record(z.string(), z.string()), InputTemplate: z.string() });
const Alerts = z.object({
  Resources: z.object({
    ExecutionFailedRule: z.object({
      Properties: z.object({ Targets: z.tuple([z.object({ InputTransformer: Transformer })]) }),
    }),
  }),
});

const text = readFileSync(new URL('../../../resources/alerts.yml', import.meta.url), 'utf8');
const { InputPathsMap, InputTemplate } = Alerts.parse(parseYaml(text)).Resources.ExecutionFailedRule.Properties
  .Targets[0].InputTransformer;

/**
 * The mail as EventBridge makes it from a template of quoted lines: each placeholder is replaced once, by its value as text
 * of a JSON string. Source: EventBridge, "Input transformation". That quotes and line breaks are escaped there is assumed.
 */
function mailOf(values: Readonly<Record<string, string>>): string[] {
  const mail = InputTemplate.replace(/<(\w+)>/g, (_, name: string) => JSON.stringify(values[name] ?? '').slice(1, -1));
  return mail.split('\n').map((line) => z.string().parse(JSON.parse(line)));
}

const VALUES = {
  name: 'i-0123456789abcdef0-1',
  status: 'FAILED',
  error: 'AssociationFailed',
  cause: 'It was not enrolled.',
  region: 'eu-west-1',
  execution: 'arn:aws:states:eu-west-1:123456789012:execution:muster-dev-enrol-node:i-0123456789abcdef0-1',
};

describe('the mail about an execution that failed', () => {
  it('takes its texts from the event that Step Functions sends, and from no input or output', () => {
    expect(InputPathsMap).toEqual({
      name: '$.detail.name',
      status: '$.detail.status',
      error: '$.detail.error',
      cause: '$.detail.cause',
      region: '$.region',
      execution: '$.detail.executionArn',
    });
  });

  it.each([
    ['quotes', 'The server says "no".'],
    ['a backslash before a quote', 'C:\\"'],
    ['a line break', 'Over.\n"The execution other-1 ended SUCCEEDED."'],
    ['placeholders', '<execution> <name> <aws.events.event.json>'],
    ['what a replacement would expand', "$& $1 $' $`"],
  ])('has three lines, and repeats a cause with %s within its own', (_what, cause) => {
    const mail = mailOf({ ...VALUES, cause });
    expect(mail).toHaveLength(3);
    expect(mail[1]).toBe(`AssociationFailed: ${cause}`);
    expect([mail[0], mail[2]]).toEqual([mailOf(VALUES)[0], mailOf(VALUES)[2]]);
    expect(mail[2]).toContain(VALUES.execution);
  });
});
