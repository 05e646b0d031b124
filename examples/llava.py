"""The chapter's usage example of LLaVA."""

from PIL import Image

from sensorium import LLaVA

# 使用示例
llava = LLaVA()
image = Image.open("complex_scene.jpg")

conversation = [{"role": "user", "content": "Describe this image in detail."}]

response = llava.chat(image, conversation)
print(response)

# 继续对话
conversation.append({"role": "assistant", "content": response})
conversation.append({"role": "user", "content": "What is the person doing?"})

response = llava.chat(image, conversation)
print(response)
