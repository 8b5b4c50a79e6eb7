import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { S3 } from '../../../../world/services/s3/s3.ts';
import { openPort } from '../../../support/open-port.ts';

const Bucket = 'reports-1';

async function setUp(region = 'eu-west-1') {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date('2026-11-26T03:00:00Z') });
  const s3 = new S3({ clock, random: seededRandom(1), buckets: [Bucket] });
  const port = await openPort([], { clock, rest: [s3.endpoint] });
  const client = new S3Client({ ...port.client, region, maxAttempts: 1 });
  return { ...port, s3, client };
}

describe('S3', () => {
  it('gives back what was put, of what type, and since when', async () => {
    const { client, s3 } = await setUp();
    const Key = 'reports/a b+ü:1.html';
    const put = await client.send(new PutObjectCommand({ Bucket, Key, Body: '<p>ü</p>', ContentType: 'text/html' }));
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(await got.Body?.transformToString()).toBe('<p>ü</p>');
    expect(got).toMatchObject({ ContentType: 'text/html', ContentLength: 9, ETag: put.ETag, VersionId: put.VersionId });
    expect(got.LastModified).toEqual(new Date('2026-11-26T03:00:00Z'));
    expect(s3.text(Bucket, Key)).toBe('<p>ü</p>');
    expect(s3.snapshot()).toEqual({ buckets: [{ name: Bucket, objects: [{ key: Key, bytes: 9 }] }] });
  });

  it('says of an object what there is to say without it', async () => {
    const { client } = await setUp();
    await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'text' }));
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).toMatchObject({ ContentLength: 4 });
    await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'b' }))).rejects.toMatchObject({ name: 'NotFound' });
  });

  it('has the last text of a key, in a version of its own', async () => {
    const { client, s3 } = await setUp();
    const put = (Body: string) => client.send(new PutObjectCommand({ Bucket, Key: 'latest', Body }));
    const [first, second] = [await put('one'), await put('two')];
    expect(s3.text(Bucket, 'latest')).toBe('two');
    expect(first.VersionId).not.toBe(second.VersionId);
  });

  it('lists keys by their bytes, page after page, from a prefix', async () => {
    const { client } = await setUp();
    for (const Key of ['reports/b', 'reports/a', 'reports/B', 'other/a', 'reports/ä'])
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const keys: (string | undefined)[][] = [];
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client, pageSize: 3 },
      { Bucket, Prefix: 'reports/' },
    ))
      keys.push(Contents.map(({ Key }) => Key));
    expect(keys).toEqual([['reports/B', 'reports/a', 'reports/b'], ['reports/ä']]);
  });

  it('lists what keys have in common as a folder, once, also over several pages', async () => {
    const { client } = await setUp();
    for (const Key of ['reports/a', 'reports/b', 'reports-2/a', 'top'])
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const names: (string | undefined)[][] = [];
    for await (const page of paginateListObjectsV2({ client, pageSize: 2 }, { Bucket, Delimiter: '/' })) {
      const { CommonPrefixes = [], Contents = [] } = page;
      names.push([...CommonPrefixes.map(({ Prefix }) => Prefix), ...Contents.map(({ Key }) => Key)]);
    }
    expect(names).toEqual([['reports-2/', 'reports/'], ['top']]);
    const inside = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: 'reports/' }));
    expect(inside.Contents?.map(({ Key }) => Key)).toEqual(['reports/a', 'reports/b']);
  });

  it.each([
    ['a bucket that is not there', { Bucket: 'nobody', Key: 'a' }, 'NoSuchBucket', 404],
    ['a key that is not there', { Bucket, Key: 'a' }, 'NoSuchKey', 404],
  ])('refuses %s by its name', async (_, input, name, httpStatusCode) => {
    const { client } = await setUp();
    await expect(client.send(new GetObjectCommand(input))).rejects.toMatchObject({
      name,
      $metadata: { httpStatusCode },
    });
  });

  it.each([
    ['a key of more than 1024 bytes', { Key: 'ü'.repeat(513) }, 'KeyTooLongError'],
    ['a text that is not the one that was meant', { ChecksumSHA256: 'x'.repeat(43) }, 'BadDigest'],
    ['a text that is not the one that was meant, by MD5', { ContentMD5: '1B2M2Y8AsgTpgAmY7PhCfg==' }, 'BadDigest'],
  ])('refuses %s', async (_, input, name) => {
    const { client } = await setUp();
    const command = new PutObjectCommand({ Bucket, Key: 'a', Body: 'text', ...input });
    await expect(client.send(command)).rejects.toMatchObject({ name });
  });

  it('refuses what was signed for another Region', async () => {
    const { client } = await setUp('us-east-1');
    await expect(client.send(new GetObjectCommand({ Bucket, Key: 'a' }))).rejects.toMatchObject({
      name: 'AuthorizationHeaderMalformed',
    });
  });

  it('says what it does not serve', async () => {
    const { endpoint } = await setUp();
    const authorization = 'AWS4-HMAC-SHA256 Credential=x/20261126/eu-west-1/s3/aws4_request, Signature=y';
    const answer = await fetch(`${endpoint}/${Bucket}/a?acl`, { headers: { authorization } });
    expect(answer.status).toBe(501);
    expect(await answer.text()).toContain('does not serve GET /reports-1/a?acl, only PutObject,');
  });

  it('misbehaves as it is told, in its own words, and takes texts of many megabytes', async () => {
    const { client, faults, heard } = await setUp();
    faults.set([{ service: 's3', operation: 'PutObject', error: 'Throttling', times: 1, match: { Key: 'a' } }]);
    const put = () => client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x'.repeat(8_000_000) }));
    await expect(put()).rejects.toMatchObject({ name: 'SlowDown', $metadata: { httpStatusCode: 503 } });
    await put();
    expect(heard.map(({ service, operation, error }) => [service, operation, error?.code])).toEqual([
      ['s3', 'PutObject', 'SlowDown'],
      ['s3', 'PutObject', undefined],
    ]);
  });
});
