package sluice.client;

/**
 * What a shuffle is, said once when it is resolved; shuffle-manager/protocol/control.ts says more. order: 0 by
 * partition, 1 by map, 2 as it arrives. level: received, written or durable. bytesHint: expected in all, 0 not known.
 * schema: base64, opaque.
 */
public record ShuffleSpec(
    int maps, int partitions, int order, String level, boolean deterministic, int replicas, long bytesHint, String schema) {}
