/**
 * How S3 speaks: the method and the path say the operation, the answer is the object itself, or XML. Buckets are
 * named in the path, as SDKs do it for an address without a domain. Source: Amazon S3 API Reference; the refusals are
 * those of its list of error codes.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { REGION } from '../../kernel/account.ts';
import { type Answer, xmlAnswer } from '../../wire/answer.ts';
import type { ApiRequest, RestEndpoint } from '../../wire/endpoint.ts';
import { ServiceError } from '../../wire/service.ts';

/** An object as it is stored, in its newest version. Its content is text: no other is kept here. */
export interface StoredObject {
  readonly key: string;
  readonly body: string;
  readonly contentType: string;
  readonly etag: string;
  readonly versionId: string;
  readonly lastModified: Date;
}

export interface ObjectInput {
  readonly Bucket: string;
  readonly Key: string;
}

export interface PutObjectInput extends ObjectInput {
  readonly Body: string;
  readonly ContentType?: string | undefined;
}

export interface ListObjectsV2Input {
  readonly Bucket: string;
  readonly Prefix?: string | undefined;
  readonly MaxKeys?: number | undefined;
  readonly Delimiter?: string | undefined;
  readonly ContinuationToken?: string | undefined;
  readonly StartAfter?: string | undefined;
}

export interface ListObjectsV2Output {
  readonly bucket: string;
  readonly prefix: string;
  readonly maxKeys: number;
  readonly objects: readonly StoredObject[];
  /** What several keys have in common up to the delimiter. */
  readonly prefixes: readonly string[];
  readonly nextToken: string | undefined;
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** The operations that are served. */
interface S3Operations {
  readonly PutObject: (input: PutObjectInput) => StoredObject;
  readonly GetObject: (input: ObjectInput) => StoredObject;
  readonly HeadObject: (input: ObjectInput) => StoredObject;
  readonly ListObjectsV2: (input: ListObjectsV2Input) => ListObjectsV2Output;
}

export function s3Rest(operations: S3Operations): RestEndpoint {
  const served = new Map(Object.entries<(input: never) => StoredObject | ListObjectsV2Output>({ ...operations }));

  return {
    name: 's3',
    takes: ({ headers }) => scopeOf(headers)?.service === 's3',
    operationOf,
    protocol: {
      throttling: { code: 'SlowDown', statusCode: 503 },
      read: (operation, body, request) => inputOf(operation, body, request),
      refuse: ({ code, message, statusCode }, requestId) =>
        xmlAnswer(statusCode, requestId, { Error: { Code: code, Message: message, RequestId: requestId } }),
    },
    async perform({ operation, input, requestId }) {
      const perform = served.get(operation);
      if (!perform) throw new ServiceError('NotImplemented', `No operation ${operation}`, 501);
      return answerOf(operation, perform(input as never), requestId);
    },
  };
}

function operationOf({ method, url }: Pick<ApiRequest, 'method' | 'url'>): string {
  const { Key, query } = addressed(url);
  if (query.has('list-type') && method === 'GET' && Key === '') return 'ListObjectsV2';
  const operation = { PUT: 'PutObject', GET: 'GetObject', HEAD: 'HeadObject' }[method];
  // `?acl`, `?uploads` and the like make another operation of the same method.
  const isPlain = [...query.keys()].every((name) => name === 'x-id');
  return operation !== undefined && Key !== '' && isPlain ? operation : `${method} ${url}`;
}

function inputOf(operation: string, body: string, request: ApiRequest): unknown {
  const { Bucket, Key, query } = addressed(request.url);
  const served = ['PutObject', 'GetObject', 'HeadObject', 'ListObjectsV2'];
  if (!served.includes(operation)) {
    const sentence = `The local world's s3 does not serve ${operation}, only ${served.join(', ')}.`;
    throw new ServiceError('NotImplemented', sentence, 501);
  }
  checkSignature(request);
  if (operation === 'ListObjectsV2') return { Bucket, ...listed(query) };
  if (operation !== 'PutObject') return { Bucket, Key };
  checkBody(body, request);
  return { Bucket, Key, Body: body, ContentType: single(request, 'content-type') };
}

function listed(query: URLSearchParams): Omit<ListObjectsV2Input, 'Bucket'> {
  const maxKeys = Number(query.get('max-keys') ?? 1000);
  if (!Number.isInteger(maxKeys) || maxKeys < 0)
    throw new ServiceError('InvalidArgument', 'Argument maxKeys must be an integer between 0 and 2147483647');
  return {
    Prefix: query.get('prefix') ?? undefined,
    MaxKeys: maxKeys,
    Delimiter: query.get('delimiter') || undefined,
    ContinuationToken: query.get('continuation-token') ?? undefined,
    StartAfter: query.get('start-after') ?? undefined,
  };
}

/** `/bucket/a%20key?query` */
function addressed(url: string) {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const [, Bucket = '', path = ''] = /^\/([^/]*)\/?(.*)$/s.exec(pathname) ?? [];
  return { Bucket, Key: decodeURIComponent(path), query: searchParams };
}

const single = ({ headers }: Pick<ApiRequest, 'headers'>, name: string) => [headers[name]].flat()[0];

/** `AWS4-HMAC-SHA256 Credential=KEY/20261126/eu-west-1/s3/aws4_request, …` */
function scopeOf(headers: ApiRequest['headers']) {
  const [, region, service] =
    /Credential=[^,]+\/\d{8}\/([^/,]+)\/([^/,]+)\/aws4_request/.exec(single({ headers }, 'authorization') ?? '') ?? [];
  return service === undefined ? undefined : { region, service };
}

/** Any key may sign here. The scope that it signs for is checked, because our own code sets it. */
function checkSignature(request: ApiRequest): void {
  const region = scopeOf(request.headers)?.region;
  if (region !== REGION) {
    const sentence = `The authorization header is malformed; the region '${region}' is wrong; expecting '${REGION}'`;
    throw new ServiceError('AuthorizationHeaderMalformed', sentence);
  }
  if (single(request, 'x-amz-content-sha256') === undefined)
    throw new ServiceError('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
}

/** Every way to state what S3 should have received. */
const DIGESTS = [
  { header: 'content-md5', code: 'BadDigest', of: (body: string) => digest('md5', body, 'base64') },
  { header: 'x-amz-checksum-sha256', code: 'BadDigest', of: (body: string) => digest('sha256', body, 'base64') },
  { header: 'x-amz-checksum-sha1', code: 'BadDigest', of: (body: string) => digest('sha1', body, 'base64') },
  { header: 'x-amz-checksum-crc32', code: 'BadDigest', of: crc32Of },
  {
    header: 'x-amz-content-sha256',
    code: 'XAmzContentSHA256Mismatch',
    of: (body: string) => digest('sha256', body, 'hex'),
  },
] as const;

function checkBody(body: string, request: ApiRequest): void {
  for (const { header, code, of } of DIGESTS) {
    const told = single(request, header);
    if (told?.startsWith('STREAMING-')) throw new ServiceError('NotImplemented', `${told} is not read here.`, 501);
    if (told === undefined || told === 'UNSIGNED-PAYLOAD' || told === of(body)) continue;
    throw new ServiceError(code, `The provided '${header}' header does not match what was computed.`);
  }
}

const digest = (name: string, body: string, encoding: 'hex' | 'base64') =>
  createHash(name).update(body).digest(encoding);

function crc32Of(body: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}

function answerOf(operation: string, output: unknown, requestId: string): Answer {
  if (operation === 'ListObjectsV2') return listAnswer(output as ListObjectsV2Output, requestId);
  const { body, contentType, etag, versionId, lastModified } = output as StoredObject;
  const headers = {
    'x-amz-request-id': requestId,
    'x-amz-server-side-encryption': 'AES256',
    'x-amz-version-id': versionId,
    etag,
  };
  if (operation === 'PutObject') return { statusCode: 200, headers, body: '' };
  const about = { 'content-type': contentType, 'last-modified': lastModified.toUTCString() };
  return {
    statusCode: 200,
    headers: { ...headers, ...about, 'content-length': String(Buffer.byteLength(body)) },
    body,
  };
}

function listAnswer(
  { bucket, prefix, maxKeys, objects, prefixes, nextToken }: ListObjectsV2Output,
  requestId: string,
): Answer {
  return xmlAnswer(200, requestId, {
    ListBucketResult: {
      '@_xmlns': NAMESPACE,
      ...{ Name: bucket, Prefix: prefix, KeyCount: objects.length + prefixes.length, MaxKeys: maxKeys },
      IsTruncated: nextToken !== undefined,
      ...(nextToken !== undefined && { NextContinuationToken: nextToken }),
      Contents: objects.map(({ key, body, etag, lastModified }) => ({
        Key: key,
        LastModified: lastModified.toISOString(),
        ETag: etag,
        Size: Buffer.byteLength(body),
        StorageClass: 'STANDARD',
      })),
      CommonPrefixes: prefixes.map((name) => ({ Prefix: name })),
    },
  });
}
