import { XMLBuilder } from 'fast-xml-parser';

/** What goes back over HTTP. */
export interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** @param body undefined makes an empty body, as operations without output have it */
export function jsonAnswer(version: string, statusCode: number, requestId: string, body: unknown): Answer {
  return {
    statusCode,
    headers: { 'content-type': `application/x-amz-json-${version}`, 'x-amzn-requestid': requestId },
    body: JSON.stringify(body) ?? '',
  };
}

const xml = new XMLBuilder({ ignoreAttributes: false });

/** @param tree element names to texts, lists or trees; `@_name` is an attribute */
export function xmlAnswer(statusCode: number, requestId: string, tree: Record<string, unknown>): Answer {
  return {
    statusCode,
    headers: { 'content-type': 'text/xml;charset=UTF-8', 'x-amzn-requestid': requestId },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${xml.build(tree)}`,
  };
}
