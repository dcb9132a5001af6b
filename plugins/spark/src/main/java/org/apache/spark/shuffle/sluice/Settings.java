package org.apache.spark.shuffle.sluice;

import java.util.List;
import org.apache.spark.SparkConf;

/** The settings spark.sluice.*, read once on the driver. */
record Settings(List<String> urls, String tokenFile, String level, int replicas, boolean fallback) {
  static Settings of(SparkConf conf) {
    return new Settings(List.of(conf.get("spark.sluice.manager.url").split(",")), null, "received", 1, false);
  }
}
