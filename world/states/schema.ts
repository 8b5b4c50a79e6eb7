import * as z from 'zod';
import { compileRule } from './choice.ts';
import type { Json, JsonObject } from './json.ts';
import { compilePath, compileReferencePath } from './path.ts';
import { compileTemplate } from './template.ts';
import { parseTimestamp } from './timestamp.ts';

/**
 * The language that is spoken here: the JSONPath dialect of the Amazon States Language, without Map and Parallel. Every
 * object is strict, so that nothing in a definition is silently ignored; paths, templates and rules are compiled while
 * the definition is read, so that nothing in it can be malformed later.
 */

const MAX_SECONDS = 99_999_999;

const LAMBDA_FUNCTION = /^arn:aws[\w-]*:lambda:[a-z0-9-]+:\d{12}:function:[^:\s]+(:[^:\s]+)?$/;
export const LAMBDA_INVOKE = 'arn:aws:states:::lambda:invoke';

const RESERVED_ERRORS = new Set(
  `ALL BranchFailed DataLimitExceeded ExceedToleratedFailureThreshold HeartbeatTimeout IntrinsicFailure
   ItemReaderFailed NoChoiceMatched ParameterPathFailure Permissions ResultPathMatchFailure ResultWriterFailed
   Runtime TaskFailed Timeout`
    .split(/\s+/)
    .map((name) => `States.${name}`),
);

/** Reads a value with a compiler whose SyntaxError becomes the sentence of the refusal. */
function compiled<Input, Output>(schema: z.ZodType<Input>, compile: (input: Input) => Output) {
  return schema.transform((input, context) => {
    try {
      return compile(input);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

const path = compiled(z.string(), compilePath);
const referencePath = compiled(z.string(), compileReferencePath);
const template = compiled(z.record(z.string(), z.custom<Json>()), compileTemplate);
const timestamp = z.string().refine((text) => parseTimestamp(text) !== undefined, 'must be an ISO 8601 instant');
const count = z.int().min(0).max(MAX_SECONDS);
const seconds = z.int().min(1).max(MAX_SECONDS);
const stateName = z.string().min(1).max(80);

const errorName = z
  .string()
  .min(1)
  .refine((name) => !name.startsWith('States.') || RESERVED_ERRORS.has(name), {
    error: ({ input }) => `'${input}' is no error that the States Language knows`,
  });

const errorEquals = z
  .array(errorName)
  .min(1)
  .refine((names) => names.length === 1 || !names.includes('States.ALL'), 'States.ALL must stand alone');

const retrier = z.strictObject({
  Comment: z.string().optional(),
  ErrorEquals: errorEquals,
  IntervalSeconds: seconds.default(1),
  MaxAttempts: count.default(3),
  BackoffRate: z.number().min(1).default(2),
  MaxDelaySeconds: z.int().min(1).max(31_622_400).optional(),
  JitterStrategy: z.enum(['NONE', 'FULL']).default('NONE'),
});

const catcher = z.strictObject({
  Comment: z.string().optional(),
  ErrorEquals: errorEquals,
  ResultPath: referencePath.nullable().optional(),
  Next: stateName,
});

function lastCatchesAll(handlers: readonly { ErrorEquals: readonly string[] }[]): boolean {
  return handlers.slice(0, -1).every((handler) => !handler.ErrorEquals.includes('States.ALL'));
}

const ALL_IS_LAST = 'the one with States.ALL must be the last';

const common = { Comment: z.string().optional(), QueryLanguage: z.literal('JSONPath').optional() };
const paths = { InputPath: path.nullable().optional(), OutputPath: path.nullable().optional() };
const onward = { Next: stateName.optional(), End: z.literal(true).optional() };
const result = { Parameters: template.optional(), ResultPath: referencePath.nullable().optional() };

const goesOn = (state: { Next?: unknown; End?: unknown }) => (state.Next === undefined) !== (state.End === undefined);
const GOES_ON = 'must have either Next or "End": true';

const pass = z
  .strictObject({
    Type: z.literal('Pass'),
    ...common,
    ...paths,
    ...result,
    ...onward,
    Result: z.custom<Json>((value) => value !== undefined).optional(),
  })
  .refine(goesOn, GOES_ON);

const task = z
  .strictObject({
    Type: z.literal('Task'),
    ...common,
    ...paths,
    ...result,
    ...onward,
    Resource: z.string().refine((arn) => arn === LAMBDA_INVOKE || LAMBDA_FUNCTION.test(arn), {
      error: ({ input }) => `'${input}' is neither the ARN of a Lambda function nor ${LAMBDA_INVOKE}`,
    }),
    ResultSelector: template.optional(),
    TimeoutSeconds: seconds.optional(),
    TimeoutSecondsPath: path.optional(),
    Retry: z.array(retrier).refine(lastCatchesAll, ALL_IS_LAST).default([]),
    Catch: z.array(catcher).refine(lastCatchesAll, ALL_IS_LAST).default([]),
  })
  .refine(goesOn, GOES_ON)
  .refine((state) => !(state.TimeoutSeconds && state.TimeoutSecondsPath), 'must not have both time-outs');

const choiceRule = compiled(z.looseObject({ Next: stateName }), ({ Next, ...rule }) => {
  return { Next, holds: compileRule(rule as JsonObject) };
});

const choice = z.strictObject({
  Type: z.literal('Choice'),
  ...common,
  ...paths,
  Choices: z.array(choiceRule).min(1),
  Default: stateName.optional(),
});

const wait = z
  .strictObject({
    Type: z.literal('Wait'),
    ...common,
    ...paths,
    ...onward,
    Seconds: count.optional(),
    SecondsPath: path.optional(),
    Timestamp: timestamp.optional(),
    TimestampPath: path.optional(),
  })
  .refine(goesOn, GOES_ON)
  .refine(
    (state) =>
      [state.Seconds, state.SecondsPath, state.Timestamp, state.TimestampPath].filter((v) => v !== undefined).length ===
      1,
    'must have exactly one of Seconds, SecondsPath, Timestamp and TimestampPath',
  );

const succeed = z.strictObject({ Type: z.literal('Succeed'), ...common, ...paths });

const fail = z
  .strictObject({
    Type: z.literal('Fail'),
    ...common,
    Error: z.string().optional(),
    ErrorPath: path.optional(),
    Cause: z.string().optional(),
    CausePath: path.optional(),
  })
  .refine((state) => !(state.Error !== undefined && state.ErrorPath), 'must not have both Error and ErrorPath')
  .refine((state) => !(state.Cause !== undefined && state.CausePath), 'must not have both Cause and CausePath');

const state = z.discriminatedUnion('Type', [pass, task, choice, wait, succeed, fail]);

export const stateMachine = z.strictObject({
  Comment: z.string().optional(),
  Version: z.literal('1.0').optional(),
  QueryLanguage: z.literal('JSONPath').optional(),
  StartAt: stateName,
  TimeoutSeconds: seconds.optional(),
  States: z.record(stateName, state),
});

export type TaskState = z.output<typeof task>;
export type ChoiceState = z.output<typeof choice>;
export type WaitState = z.output<typeof wait>;
export type FailState = z.output<typeof fail>;
export type State = z.output<typeof state>;
export type Retrier = z.output<typeof retrier>;
/** A definition in the States Language's own field names: defaults filled in; paths, templates and rules compiled. */
export type StateMachineDefinition = z.output<typeof stateMachine>;
