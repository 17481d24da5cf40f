/** Parts, presigned addresses, ranges, listings and races. */
import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Check } from "./check.ts";
import { bucket, refusal } from "./check.ts";

const S3 = ["moto", "ministack", "fauxqs"] as const;

export const objectChecks: readonly Check[] = [
  {
    service: "S3",
    what: "multipart upload",
    on: S3,
    look: async (clients) => {
      const target = { Bucket: await bucket(clients), Key: "large" };
      const { UploadId } = await clients.s3.send(new s3.CreateMultipartUploadCommand(target));
      const bodies = [Buffer.alloc(6_000_000, 1), Buffer.alloc(1_000, 2)];
      const Parts = await Promise.all(
        bodies.map(async (Body, index) => {
          const { ETag } = await clients.s3.send(
            new s3.UploadPartCommand({ ...target, UploadId, PartNumber: index + 1, Body }),
          );
          return { PartNumber: index + 1, ETag };
        }),
      );
      await clients.s3.send(new s3.CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
      const { Body } = await clients.s3.send(new s3.GetObjectCommand(target));
      return Buffer.compare(await Body!.transformToByteArray(), Buffer.concat(bodies)) === 0
        ? "yes"
        : "NO: bytes differ";
    },
  },
  {
    service: "S3",
    what: "presigned PUT; one that has expired (AWS: 200; 403)",
    on: S3,
    look: async (clients) => {
      const Bucket = await bucket(clients);
      const putBy = async (Key: string, signingDate: Date) => {
        const command = new s3.PutObjectCommand({ Bucket, Key });
        const url = await getSignedUrl(clients.s3, command, { expiresIn: 60, signingDate });
        return (await fetch(url, { method: "PUT", body: "content" })).status;
      };
      return `${await putBy("now", new Date())}; ${await putBy("old", new Date(Date.now() - 3_600_000))}`;
    },
  },
  {
    service: "S3",
    what: "a range from the middle; one past the end (AWS: 789; InvalidRange)",
    on: S3,
    look: async (clients) => {
      const target = { Bucket: await bucket(clients), Key: "k" };
      await clients.s3.send(new s3.PutObjectCommand({ ...target, Body: "0123456789" }));
      const middle = await clients.s3.send(new s3.GetObjectCommand({ ...target, Range: "bytes=7-" }));
      const past = await refusal(() => clients.s3.send(new s3.GetObjectCommand({ ...target, Range: "bytes=10-" })));
      return `${await middle.Body!.transformToString()}; ${past}`;
    },
  },
  {
    service: "S3",
    what: "lists in byte order, pages by StartAfter",
    on: S3,
    look: async (clients) => {
      const Bucket = await bucket(clients);
      for (const Key of ["b", "a/2", "a/10", "a-", "é"])
        await clients.s3.send(new s3.PutObjectCommand({ Bucket, Key, Body: "x" }));
      const list = async (StartAfter?: string) =>
        ((await clients.s3.send(new s3.ListObjectsV2Command({ Bucket, StartAfter }))).Contents ?? [])
          .map(({ Key }) => Key)
          .join(" ");
      const [all, rest] = [await list(), await list("a/")];
      return all === "a- a/10 a/2 b é" && rest === "a/10 a/2 b é" ? "yes" : `NO: ${all}; ${rest}`;
    },
  },
  {
    service: "S3",
    what: "of 20 PUTs with If-None-Match: *, winners (AWS: 1)",
    on: S3,
    look: async (clients) => {
      const target = { Bucket: await bucket(clients), Key: "once" };
      const race = Array.from({ length: 20 }, () =>
        clients.s3.send(new s3.PutObjectCommand({ ...target, Body: "x", IfNoneMatch: "*" })).then(
          () => 1,
          () => 0,
        ),
      );
      return String((await Promise.all(race)).reduce<number>((sum, won) => sum + won, 0));
    },
  },
];
