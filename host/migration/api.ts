/** The requests that a migration sends to an API server, and their failures. The operator and the command line each have a client of their own. */

export interface RequestOptions {
  readonly body?: unknown;
  /** The content type of `body`; by default application/json. */
  readonly type?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

export interface ApiRequests {
  /**
   * @param path with its query
   * @returns the parsed body
   * @throws ApiError
   */
  json<T>(method: string, path: string, options?: RequestOptions): Promise<T>;
}

export const MERGE_PATCH = "application/merge-patch+json";
/** Requests only the metadata of an object, or of a list: the values of Secrets do not leave the API server. */
export const METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
export const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

const MAX_MESSAGE = 500;

/** A failed request: an error status of the API server, or no answer (code 0). */
export class ApiError extends Error {
  readonly code: number;
  /** The API server's message, or the failure of the connection. */
  readonly reason: string;
  readonly retryAfterMs: number;
  /** With 410: the token to continue the list with. */
  readonly continueAt: string | undefined;

  constructor(
    action: string,
    code: number,
    reason: string,
    { retryAfterMs = 0, continueAt }: { retryAfterMs?: number; continueAt?: string | undefined } = {},
  ) {
    super(`Cannot ${action}: ${code === 0 ? reason : `${code} ${reason}`}`);
    this.code = code;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.continueAt = continueAt;
  }
}

/** Names a request in its error. @example actionOf("GET", "/api/v1/secrets?limit=1") === "get /api/v1/secrets" */
export function actionOf(method: string, path: string): string {
  return `${method.toLowerCase()} ${path.replace(/\?.*$/, "")}`;
}

/**
 * Reads an answer with an error status.
 * @param action names the request
 * @param text of the body, usually a Status of Kubernetes (meta/v1); its message is cut
 * @param retryAfter the header Retry-After, in seconds
 */
export function errorOf(action: string, code: number, text: string, retryAfter: unknown): ApiError {
  const { message, metadata } = statusIn(text);
  const seconds = Number(retryAfter ?? 0);
  return new ApiError(action, code, String(message ?? text).slice(0, MAX_MESSAGE), {
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : 0,
    continueAt: metadata?.continue,
  });
}

function statusIn(text: string): { message?: unknown; metadata?: { continue?: string } } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
