/**
 * The way to a mesh, and what it says when it refuses.
 *
 * DUALWHEEL_ENDPOINT is its URL, http://127.0.0.1:7650 by default. Where the mesh wants them: DUALWHEEL_CA is the PEM
 * file of the authority that an https endpoint is checked against (the system's when not set), DUALWHEEL_CERT and
 * DUALWHEEL_KEY are the PEM files of this client's own certificate, and DUALWHEEL_TOKEN is a bearer token.
 */

import { readFileSync } from "node:fs";
import { ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema } from "../generated/google/rpc/error_details_pb.js";

const options = {
  baseUrl: process.env.DUALWHEEL_ENDPOINT ?? "http://127.0.0.1:7650",
  nodeOptions: {
    ...pem("ca", "DUALWHEEL_CA"),
    ...pem("cert", "DUALWHEEL_CERT"),
    ...pem("key", "DUALWHEEL_KEY"),
  },
  interceptors: process.env.DUALWHEEL_TOKEN ? [bearer(process.env.DUALWHEEL_TOKEN)] : [],
  defaultTimeoutMs: 10_000,
};

/** As programs speak. */
export function overGrpc(): Transport {
  return createGrpcTransport(options);
}

/** As browsers speak; there, createGrpcWebTransport of @connectrpc/connect-web does the same. */
export function overGrpcWeb(): Transport {
  return createGrpcWebTransport({ ...options, httpVersion: "1.1" });
}

/** In JSON over plain HTTP: methods of one request and one answer. */
export function overConnect(): Transport {
  return createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: false });
}

function pem(option: string, variable: string): Record<string, Buffer> {
  const path = process.env[variable];
  return path ? { [option]: readFileSync(path) } : {};
}

/** Sends a token with every call. */
function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** Why a call failed: a reason for programs, and every wrong field with what is expected of it. */
export interface Refusal {
  reason: string;
  values: Record<string, string>;
  fields: Record<string, string>;
}

/** Reads `google.rpc.ErrorInfo` and `google.rpc.BadRequest` out of what an answer says beside its code. */
export function refusal(error: ConnectError): Refusal {
  const info = error.findDetails(ErrorInfoSchema)[0];
  const wrong = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  return {
    reason: info?.reason ?? "",
    values: info?.metadata ?? {},
    fields: Object.fromEntries(wrong.map(({ field, description }) => [field, description])),
  };
}
