# The image of deploy/Dockerfile as KubeRay wants it: its probes call wget, and it starts Ray itself.
ARG IMAGE=sensorium
FROM ${IMAGE}

USER root
RUN apt-get update && apt-get install --yes --no-install-recommends wget && rm -rf /var/lib/apt/lists/*
USER sensorium
ENTRYPOINT []
CMD []
