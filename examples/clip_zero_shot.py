"""The chapter's usage example of CLIP: zero-shot image classification."""

from sensorium import zero_shot_classification

from PIL import Image

image = Image.open("cat.jpg")
labels = ["cat", "dog", "bird", "car"]
results = zero_shot_classification(image, labels)
print(results)
# [{'label': 'cat', 'score': 0.92}, {'label': 'dog', 'score': 0.05}, ...]
