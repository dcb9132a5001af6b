package org.apache.spark.shuffle.sluice;

/**
 * The tag of this plug-in's blocks. Writers encrypt what they have compressed; readers go the other way. A block is a stream
 * of the serializer's own: whole records, unless it says that its last record goes on.
 */
final class Tags {
  /** With the codec of spark.io.compression.codec, its stream; rawLength is what comes out. */
  static final int COMPRESSED = 1;
  /** With the key of spark.io.encryption.enabled. */
  static final int ENCRYPTED = 2;
  /** The stream goes on in the next block of the same map and partition: a record larger than a block. */
  static final int CONTINUED = 4;

  /** Compressed too, but as one bare LZ4 block. */
  static final int LZ4 = 8;

  private Tags() {}
}
