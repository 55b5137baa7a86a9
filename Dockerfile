# The bot as one image: Python, the locked libraries, the code and the default weights. It runs as a user without rights
# and writes to /app/data only, so the rest of its file system can be read-only (docker-compose.yml).
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /app

# Before the code, so that a change of the code does not install the libraries again.
COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --require-hashes -r requirements.lock

RUN useradd --system --uid 10001 --no-create-home ghostwriter \
    && mkdir data \
    && chown ghostwriter: data

COPY LICENSE ./
COPY lyrics lyrics
COPY weights/default weights/default
COPY model model
COPY bot bot

USER ghostwriter
VOLUME /app/data
CMD ["python", "-m", "bot"]
