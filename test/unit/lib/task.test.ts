import type { Context } from 'aws-lambda';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { InvalidRequest, ServerNotReady } from '../../../lib/errors.ts';
import { task } from '../../../lib/task.ts';

const context = (remainingMilliseconds = 20_000) =>
  ({
    awsRequestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
    functionName: 'associate-node',
    getRemainingTimeInMillis: () => remainingMilliseconds,
  }) as Context;

const words = {
  execution: 'arn:aws:states:eu-west-1:123456789012:execution:enrol-node:one',
  startTime: '2031-05-06T07:08:09.000Z',
  enteredTime: '2031-05-06T07:08:19.000Z',
  state: 'AssociateNode',
  retryCount: 0,
};
const input = (extra: object = {}) => ({ instance: { instanceId: 'i-0123456789abcdef0' }, task: words, ...extra });
const shape = { instance: z.object({ instanceId: z.string() }) };

let lines: Record<string, unknown>[];
beforeEach(() => {
  lines = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    lines.push(JSON.parse(String(text)));
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    lines.push(JSON.parse(String(text)));
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

describe('a task', () => {
  it('answers with what its function returns', async () => {
    const handler = task(shape, async ({ instance }) => ({ seen: instance.instanceId }));
    await expect(handler(input(), context())).resolves.toEqual({ seen: 'i-0123456789abcdef0' });
  });

  it.each([
    ['before', '2031-05-06T07:08:19.001Z', 'began'],
    ['at', '2031-05-06T07:08:19.000Z', 'DeadlinePassed'],
    ['after', '2031-05-06T07:00:00.000Z', 'DeadlinePassed'],
  ])('that is entered %s its deadline: %s', async (_when, deadline, outcome) => {
    let began = false;
    const handler = task(shape, async () => {
      began = true;
      return 'began';
    });
    const ended = handler(input({ task: { ...words, deadline } }), context()).catch((error: Error) => error.name);
    expect(await ended).toBe(outcome);
    expect(began).toBe(outcome === 'began');
  });

  it('puts instance, execution, state and request id into every line', async () => {
    const handler = task(shape, async (_input, call) => call.log('On the way'));
    await handler(input(), context());
    expect(lines.map(({ message }) => message)).toEqual(['On the way', 'Done']);
    for (const line of lines) {
      expect(line).toMatchObject({
        instance: 'i-0123456789abcdef0',
        execution: words.execution,
        state: 'AssociateNode',
        function_request_id: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
      });
    }
  });

  it('lets an error through as the answer, and tells it', async () => {
    const handler = task(shape, async () => {
      throw new ServerNotReady('The server is starting.');
    });
    await expect(handler(input(), context())).rejects.toMatchObject({ name: 'ServerNotReady' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 'INFO',
      message: 'Not yet',
      error: 'ServerNotReady',
      reason: 'The server is starting.',
    });
  });

  it('logs what will never work as an error', async () => {
    const handler = task(shape, async () => {
      throw new InvalidRequest('The field is wrong.');
    });
    await expect(handler(input(), context())).rejects.toThrow(InvalidRequest);
    expect(lines[0]).toMatchObject({ level: 'ERROR', message: 'Failed', reason: 'The field is wrong.' });
  });

  it('refuses an input that is not as its schema says, naming the field, before its function runs', async () => {
    const run = vi.fn();
    const handler = task(shape, run);
    await expect(handler({ task: words, instance: { instanceId: 7 } }, context())).rejects.toThrow(
      /instance\.instanceId/,
    );
    expect(run).not.toHaveBeenCalled();
  });

  it('stops shortly before the time-out of its function, and aborts what it was doing', async () => {
    let signal: AbortSignal | undefined;
    const handler = task(shape, async (_input, call) => {
      signal = call.signal;
      await new Promise(() => {});
    });
    await expect(handler(input(), context(510))).rejects.toMatchObject({ name: 'OutOfTime' });
    expect(signal?.aborted).toBe(true);
  });

  it('counts an attempt after the first as a retry of its state', async () => {
    const handler = task(shape, async () => null);
    await handler(input({ task: { ...words, retryCount: 2 } }), context());
    expect(lines[0]).toMatchObject({ Retries: 1, state: 'AssociateNode' });
  });
});

describe('an error that leaves a function', () => {
  const dirty = 'a \u001b[31mred\u001b[0m\r\nline\u0000 \u202eesrever -----BEGIN PRIVATE KEY-----\nMIIE';

  it.each([
    ['of ours', new InvalidRequest(dirty)],
    ['of a library', Object.assign(new Error(dirty), { name: 'InvalidRequest' })],
  ])('%s has one printable line as its message, without keys, and so has its stack', async (_what, error) => {
    const handler = task(shape, async () => {
      throw error;
    });
    const left = await handler(input(), context()).catch((thrown: unknown) => thrown);
    expect(left).toBe(error);
    expect(error).toMatchObject({ name: 'InvalidRequest', message: 'a red line esrever [PEM removed]' });
    const [first = '', ...frames] = (error.stack ?? '').split('\n');
    expect(first).toBe('InvalidRequest: a red line esrever [PEM removed]');
    expect(frames.length).toBeGreaterThan(0);
    for (const frame of frames) expect(frame).toMatch(/^ +at /);
    expect(lines[0]).toMatchObject({ reason: 'a red line esrever [PEM removed]' });
  });

  it('is an error, also where something else was thrown', async () => {
    const handler = task(shape, async () => {
      throw dirty;
    });
    await expect(handler(input(), context())).rejects.toThrow(
      'The function threw no error but a red line esrever [PEM removed]',
    );
  });
});

describe('what is logged', () => {
  it('never has a key, a CSR or a certificate in it, wherever it stood', async () => {
    const label = fc.constantFrom('PRIVATE KEY', 'RSA PRIVATE KEY', 'CERTIFICATE REQUEST', 'CERTIFICATE', 'PUBLIC KEY');
    const body = fc.stringMatching(/^[A-Za-z0-9+/]{20,60}$/);
    await fc.assert(
      fc.asyncProperty(label, body, fc.string(), async (name, secret, before) => {
        fc.pre(!before.includes(secret));
        const pem = `-----BEGIN ${name}-----\n${secret}\n-----END ${name}-----`;
        const handler = task(shape, async (_input, call) => {
          call.log(`${before}${pem}`, { deep: [{ pem }] });
          throw new InvalidRequest(`refused: ${pem}`, { cause: new Error(pem) });
        });
        lines = [];
        await expect(handler(input(), context())).rejects.toThrow();
        expect(lines).toHaveLength(2);
        expect(JSON.stringify(lines)).not.toContain(secret);
      }),
      { numRuns: 50 },
    );
  });
});
