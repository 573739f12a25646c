# A trained model as a service, described at http://127.0.0.1:8000/openapi.json (docs/handing_on.md):
#   mfer export exported
#   docker build -t mfer . && docker run -p 127.0.0.1:8000:8000 -v "$PWD/exported:/model:ro" mfer
FROM python:3.11-slim
WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY dvc.yaml params.yaml prefect.toml prefect.yaml .dvcignore .gitignore ./
COPY profiles profiles
COPY demo demo
COPY flows flows
COPY mfer_core mfer_core
COPY tasks tasks
RUN pip install --no-cache-dir --no-deps . && mfer init /project && useradd --create-home mfer && chown -R mfer /project
WORKDIR /project
USER mfer
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["mfer", "service", "--host", "0.0.0.0", "--model", "/model"]
