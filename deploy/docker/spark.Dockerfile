# syntax=docker/dockerfile:1
# Spark's own image with the plug-in where the chart's settings look for it. First `npm run build:plugins`, then
# docker build -f deploy/docker/spark.Dockerfile -t spark-sluice . The jar serves every Spark from 3.5 on, with Java 17.
ARG SPARK_IMAGE=apache/spark:4.0.2
FROM ${SPARK_IMAGE}
COPY --chmod=0644 plugins/spark/target/sluice-spark.jar /opt/sluice/sluice-spark.jar
