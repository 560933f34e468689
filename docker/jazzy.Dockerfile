# The node on ROS 2 Jazzy, without PyTorch: OpenVINO runs the graph that the first stage exports.
#     docker build -f docker/jazzy.Dockerfile -t ghost_vpr:jazzy .
#     docker run --rm --network host --ipc host -v $PWD/maps:/maps ghost_vpr:jazzy map:=/maps/town.map
# --ipc host: shared memory for large images from the host and other containers.

FROM python:3.11-slim-bookworm AS graph
WORKDIR /source
COPY setup.py setup.cfg package.xml README.md ./
COPY ghost_vpr_ros ghost_vpr_ros
COPY resource resource
COPY launch launch
COPY config config
# The headless OpenCV wheel needs no libraries that this slim image lacks.
RUN pip install --no-cache-dir . onnx
ENV GHOST_VPR_CACHE=/graph
RUN ghost-vpr export

FROM ros:jazzy-ros-base-noble
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Versions of apt packages are not pinned, because the ROS repositories keep only the newest ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        python3-jinja2 python3-matplotlib python3-opencv python3-pil python3-pip python3-pyproj \
        python3-scipy python3-tqdm ros-jazzy-cv-bridge ros-jazzy-image-transport-plugins \
    && rm -rf /var/lib/apt/lists/*
# numpy must be the version of Ubuntu 24.04 (1.26) that cv_bridge is built for. Like all ROS nodes, this
# uses the system Python; the packages from pip replace none of the system packages.
RUN pip install --no-cache-dir --break-system-packages 'faiss-cpu==1.8.0.post1' 'numpy==1.26.4' \
        'openvino==2024.6.0' 'rosbags==0.11.9' 'rosbags-image==0.10.4' 'safetensors==0.8.0'

WORKDIR /workspace
COPY . src/ghost_vpr_ros
RUN source /opt/ros/jazzy/setup.bash \
    && colcon build --packages-select ghost_vpr_ros \
    && rm -rf build log
COPY --from=graph /graph /opt/ghost_vpr_cache
ENV GHOST_VPR_CACHE=/opt/ghost_vpr_cache

# Maps are under /maps; the mapping modes write them.
VOLUME /maps
COPY docker/entrypoint.sh /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["map:=/maps/places.map"]
