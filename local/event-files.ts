import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { InvalidRequest } from '../lib/errors.ts';
import { parse } from '../lib/schema-faults.ts';
import type { AwsEvent } from '../world/eventbridge/aws-event.ts';
import { compileRule, isForeign } from '../world/eventbridge/rule.ts';
import { ACCOUNT_ID } from '../world/kernel/account.ts';
import { readDeployment } from './deployment.ts';
import { Unusable } from './unusable.ts';

/** Something to play: an event for the bus, or the input of an execution that a person starts. */
export type Announcement =
  | { readonly kind: 'event'; readonly event: AwsEvent }
  | { readonly kind: 'request'; readonly input: unknown };

/** EventBridge's envelope. The detail is for the rules and the functions to judge. */
const Envelope = z.looseObject({
  version: z.literal('0'),
  id: z.string().min(1),
  'detail-type': z.string().min(1),
  source: z.string().min(1),
  account: z.string(),
  time: z.iso.datetime(),
  region: z.string(),
  resources: z.array(z.string()),
  detail: z.record(z.string(), z.unknown()),
});

/**
 * Reads files with one event or request, or with a list of them, in the order in which they are given.
 * @throws Unusable naming the file: it is missing, no JSON, no complete event, or no rule would ever see it
 */
export function readEventFiles(files: readonly string[]): Announcement[] {
  const isTaken = anyRule();
  return files.flatMap((file) => {
    const content = readJson(file);
    if (!Array.isArray(content)) return [announcement(content, file, isTaken)];
    return content.map((item, index) => announcement(item, `${file}, item ${index + 1}`, isTaken));
  });
}

function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Unusable(`${file} is not JSON: ${(cause as Error).message}.`, undefined, { cause });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new Unusable(`${file} cannot be read: ${why}.`, undefined, { cause });
  }
}

function announcement(content: unknown, where: string, isTaken: (event: AwsEvent) => boolean): Announcement {
  if (!looksLikeEvent(content)) return { kind: 'request', input: content };
  const event = readEvent(content, where);
  if (isTaken(event)) return { kind: 'event', event };
  const kind = `"${event['detail-type']}" of ${event.source}`;
  const reason = isForeign(event)
    ? ` Its account is ${event.account}: a rule with an account takes only events of this account, ${ACCOUNT_ID}.`
    : '';
  throw new Unusable(
    `${where}: no rule of serverless.yml matches this event, ${kind}, so it would start nothing.${reason}`,
  );
}

function readEvent(content: unknown, where: string) {
  try {
    return parse(Envelope, content, { subject: 'it', preface: `${where} is no complete EventBridge event:` });
  } catch (cause) {
    if (cause instanceof InvalidRequest) throw new Unusable(cause.message, undefined, { cause });
    throw cause;
  }
}

/** What only events have, and no request that a person types. */
function looksLikeEvent(content: unknown): boolean {
  if (typeof content !== 'object' || content === null) return false;
  return ['source', 'detail-type', 'detail'].some((field) => field in content);
}

/** Whether an event reaches any function. */
function anyRule(): (event: AwsEvent) => boolean {
  const patterns = readDeployment().rules.map(({ pattern }) => compileRule(pattern));
  return (event) => patterns.some((matches) => matches(event));
}
